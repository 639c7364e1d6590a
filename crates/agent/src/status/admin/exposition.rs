//! The Prometheus text format, version 0.0.4: families of samples, each with its HELP and TYPE.
//! <https://prometheus.io/docs/instrumenting/exposition_formats/>

use std::fmt::{self, Display, Write};

/// A text in the making.
#[derive(Default)]
pub struct Exposition(String);

/// What kind of number a family holds.
#[derive(Clone, Copy)]
pub enum Kind {
    /// Only grows, but for a restart.
    Counter,
    /// Goes up and down.
    Gauge,
}

impl Exposition {
    /// Begins a family. Its samples follow before the next one begins.
    pub fn family(&mut self, name: &str, kind: Kind, help: &str) {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
        };
        let help = help.replace('\\', r"\\").replace('\n', r"\n");
        self.line(format_args!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
    }

    /// One sample.
    pub fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        let labels: Vec<String> =
            labels.iter().map(|(key, value)| format!("{key}=\"{}\"", escape(value))).collect();
        match labels.is_empty() {
            true => self.line(format_args!("{name} {value}\n")),
            false => self.line(format_args!("{name}{{{}}} {value}\n", labels.join(","))),
        }
    }

    /// A family of one sample without labels.
    pub fn single(&mut self, name: &str, kind: Kind, help: &str, value: impl Display) {
        self.family(name, kind, help);
        self.sample(name, &[], value);
    }

    /// The whole text.
    pub fn into_text(self) -> String {
        self.0
    }

    fn line(&mut self, text: fmt::Arguments<'_>) {
        self.0.write_fmt(text).expect("a string takes everything");
    }
}

fn escape(value: &str) -> String {
    value.replace('\\', r"\\").replace('"', "\\\"").replace('\n', r"\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_and_help_are_escaped() {
        let mut text = Exposition::default();
        text.family("a_total", Kind::Counter, "back\\slash\nline \"quoted\"");
        text.sample("a_total", &[("x", "q\"b\\n\nend"), ("y", "")], 7);
        text.single("b", Kind::Gauge, "B.", 0.5);
        assert_eq!(
            text.into_text(),
            "# HELP a_total back\\\\slash\\nline \"quoted\"\n# TYPE a_total counter\n\
             a_total{x=\"q\\\"b\\\\n\\nend\",y=\"\"} 7\n\
             # HELP b B.\n# TYPE b gauge\nb 0.5\n"
        );
    }
}
