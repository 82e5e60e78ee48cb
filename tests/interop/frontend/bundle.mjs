// The page's script: the published packages and page/app.jsx in one, kept in memory.

import { fileURLToPath } from 'node:url';

import { build } from 'esbuild';

export async function bundle() {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL('page/app.jsx', import.meta.url))],
    outfile: 'app.js',
    write: false,
    bundle: true,
    format: 'iife',
    jsx: 'automatic',
    minify: true,
    target: 'es2022',
    logLevel: 'warning',
    // What Backstage's own build puts in place.
    define: { 'process.env.NODE_ENV': '"production"', 'process.env': '{}', global: 'globalThis' },
    // Pictures of empty states; none is looked at here.
    loader: { '.svg': 'empty' },
  });
  return outputFiles[0].contents;
}
