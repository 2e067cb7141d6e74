//! What was measured: sections of rows of figures. Filled by the suites, read by the gates and the report.

use serde::Serialize;

use crate::system::Machine;

/// One number.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Figure {
    pub(crate) name: &'static str,
    pub(crate) value: f64,
    pub(crate) unit: &'static str,
}

/// One case with one peer.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) case: String,
    pub(crate) peer: String,
    pub(crate) figures: Vec<Figure>,
}

/// Cases that answer one question.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Section {
    pub(crate) id: &'static str,
    pub(crate) title: &'static str,
    /// How it was measured.
    pub(crate) note: String,
    pub(crate) rows: Vec<Row>,
}

/// All of a run.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Results {
    pub(crate) machine: Machine,
    pub(crate) command: String,
    pub(crate) load_at_start: f64,
    pub(crate) took_s: f64,
    pub(crate) sections: Vec<Section>,
}

impl Figure {
    /// Makes one.
    pub(crate) fn new(name: &'static str, value: f64, unit: &'static str) -> Self {
        Self { name, value, unit }
    }
}

impl Row {
    /// Makes one.
    pub(crate) fn new(case: impl Into<String>, peer: impl Into<String>, figures: Vec<Figure>) -> Self {
        Self { case: case.into(), peer: peer.into(), figures }
    }

    /// Returns a figure by its name.
    pub(crate) fn value(&self, name: &str) -> Option<f64> {
        self.figures.iter().find(|figure| figure.name == name).map(|figure| figure.value)
    }
}

impl Results {
    /// Returns a section.
    pub(crate) fn section(&self, id: &str) -> Option<&Section> {
        self.sections.iter().find(|section| section.id == id)
    }

    /// Returns one figure.
    pub(crate) fn value(&self, id: &str, case: &str, peer: &str, name: &str) -> Option<f64> {
        let mut rows = self.section(id)?.rows.iter();
        rows.find(|row| row.case == case && row.peer == peer)?.value(name)
    }
}
