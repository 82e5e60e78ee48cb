//! Addresses that lead elsewhere.

/// Forms that published lists of open redirects are made of: what stands in front of a host, the host, and what is behind.
pub(crate) fn off_site() -> Vec<String> {
    let slashes = [
        "/",
        "//",
        "///",
        "/\\",
        "\\",
        "\\\\",
        "\\/",
        "/\t/",
        "/\n/",
        "\t//",
        "/%09/",
        "/%2f/",
        "/%5c",
        "/%2f%2f",
        "%2f%2f",
        "/.//",
        "/..//",
        "/./\\",
        "/;//",
        "//;@",
        "///\\;@",
        "/\u{3000}/",
        "/\u{2044}",
        "/\u{ff0f}",
        "",
    ];
    let schemes = [
        "",
        "http:",
        "https:",
        "HTTPS:",
        "hTtP:",
        "javascript:",
        "data:",
        "ftp:",
        "https%3a",
        "x:",
    ];
    let hosts = [
        "evil.test",
        "evil.test%2f",
        "127.0.0.1.evil.test",
        "127.0.0.1@evil.test",
        "127.0.0.1:80@evil.test",
        "evil.test:80",
        "[::ffff:1.2.3.4]",
        "0x7f.1",
        "2130706434",
        "evil\u{3002}test",
    ];
    let ends = [
        "",
        "/",
        "/%2f..",
        "#@127.0.0.1",
        "?127.0.0.1",
        "\\@127.0.0.1",
    ];
    let mut all = Vec::new();
    for slash in slashes {
        for scheme in schemes {
            for host in hosts {
                all.extend(ends.map(|end| format!("{scheme}{slash}{host}{end}")));
            }
        }
    }
    all
}
