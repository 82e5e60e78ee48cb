// What Knex calls of better-sqlite3, on SQLite compiled to WebAssembly: nothing has to be compiled or
// downloaded to install it. The backend's own driver is the only thing of it that is not published.

const sqlite = require('node-sqlite3-wasm');

const YIELDS_ROWS = /^\s*(select|with|pragma|explain)\b|\breturning\b/i;

module.exports = class Database {
  #database;

  constructor(filename) {
    this.#database = new sqlite.Database(filename);
  }

  prepare(sql) {
    return {
      reader: YIELDS_ROWS.test(sql),
      all: (values) => this.#database.all(sql, values),
      run: (values) => this.#database.run(sql, values),
    };
  }

  close() {
    this.#database.close();
  }
};
