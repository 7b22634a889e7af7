//! What a picture is, as JSON.

use dicom_dictionary_std::tags;
use serde_json::{Value, json};

use super::Picture;
use super::grey::Preset;

impl Picture<'_> {
    /// Describes the picture: its size, its frames, how it is stored, and the windows that it brings.
    pub(super) fn describe(&self) -> Vec<u8> {
        let layout = &self.layout;
        let presets: Vec<Value> = self.presets(0).iter().map(preset).collect();
        let described = json!({
            "rows": layout.rows,
            "columns": layout.columns,
            "frames": layout.frames,
            "samples": layout.samples,
            "bitsAllocated": layout.cell.allocated,
            "bitsStored": layout.cell.stored,
            "photometric": self.reader.term(tags::PHOTOMETRIC_INTERPRETATION),
            "transferSyntax": self.syntax,
            "decoded": self.codec.is_some(),
            "window": presets.first(),
            "presets": presets,
        });
        described.to_string().into_bytes()
    }
}

fn preset(preset: &Preset) -> Value {
    let window = preset.window;
    json!({ "center": window.centre, "width": window.width, "function": window.curve.as_str(), "name": preset.name })
}
