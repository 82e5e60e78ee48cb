//! Spans of time as Backstage writes them in text: `20 minutes`, `1.5h`, `PT20M`.

use std::time::Duration;

/// Seconds in the units that Backstage's duration objects have; a month is 30 days, a year 365.
pub(crate) const UNITS: [(&str, f64); 8] = [
    ("years", 365.0 * DAY),
    ("months", 30.0 * DAY),
    ("weeks", 7.0 * DAY),
    ("days", DAY),
    ("hours", 3600.0),
    ("minutes", 60.0),
    ("seconds", 1.0),
    ("milliseconds", 0.001),
];

const DAY: f64 = 86_400.0;

/// Reads ISO 8601 (`P…`), or a number and a unit as the `ms` package of JavaScript has them.
///
/// `None` if it is neither, has no unit, is negative, or is out of range.
pub(crate) fn parse(text: &str) -> Option<Duration> {
    let seconds = if text.starts_with('P') {
        iso(text)?
    } else {
        number_and_unit(text)?
    };
    from_seconds(seconds)
}

/// `None` if it is negative, out of range or not a number.
pub(crate) fn from_seconds(seconds: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(seconds).ok()
}

fn iso(text: &str) -> Option<f64> {
    let span: jiff::Span = text.parse().ok()?;
    let [years, months, weeks, days, ..] = UNITS.map(|(_, seconds)| seconds);
    let time = (span.get_hours() as f64).mul_add(3600.0, span.get_minutes() as f64 * 60.0)
        + span.get_seconds() as f64
        + span.get_milliseconds() as f64 / 1e3
        + span.get_microseconds() as f64 / 1e6
        + span.get_nanoseconds() as f64 / 1e9;
    Some(
        f64::from(span.get_years()) * years
            + f64::from(span.get_months()) * months
            + f64::from(span.get_weeks()) * weeks
            + f64::from(span.get_days()) * days
            + time,
    )
}

fn number_and_unit(text: &str) -> Option<f64> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let number: f64 = text.get(..end)?.parse().ok()?;
    let unit = match text.get(end..)?.trim_start().to_ascii_lowercase().as_str() {
        "ms" | "msec" | "msecs" | "millisecond" | "milliseconds" => 0.001,
        "s" | "sec" | "secs" | "second" | "seconds" => 1.0,
        "m" | "min" | "mins" | "minute" | "minutes" => 60.0,
        "h" | "hr" | "hrs" | "hour" | "hours" => 3600.0,
        "d" | "day" | "days" => DAY,
        "w" | "week" | "weeks" => 7.0 * DAY,
        // The package counts leap years here; the object form does not.
        "y" | "yr" | "yrs" | "year" | "years" => 365.25 * DAY,
        _ => return None,
    };
    Some(number * unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_in_both_notations() {
        for (text, millis) in [
            ("20 minutes", 1_200_000),
            ("1.5h", 5_400_000),
            (".5 s", 500),
            ("250ms", 250),
            ("2 Days", 172_800_000),
            ("1y", 31_557_600_000),
            ("0s", 0),
            ("PT20M", 1_200_000),
            ("P1DT1H", 90_000_000),
            ("P1M", 2_592_000_000),
            ("P1Y", 31_536_000_000),
            ("P2W", 1_209_600_000),
            ("PT0.25S", 250),
        ] {
            assert_eq!(parse(text), Some(Duration::from_millis(millis)), "{text}");
        }
        for text in [
            "",
            "20",
            "minutes",
            "-1h",
            "1 fortnight",
            "1h30m",
            "1..5h",
            ".h",
            "P",
            "PT",
            "-PT1H",
            "P-1D",
            "PT99999999999999999999H",
            "1e3s",
            "１ h",
            "NaN s",
            "infinity",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
        let long = format!("{}years", "9".repeat(400));
        assert_eq!(parse(&long), None);
    }
}
