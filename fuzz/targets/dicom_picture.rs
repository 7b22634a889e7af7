//! Pictures of DICOM files: any bytes are drawn, or say why not. JPEG 2000 is left out, whose decoder is foreign to the
//! language's safety, and which for that reason runs in a process of its own.
#![no_main]

use concord::domain::picture::{Form, Size, View};
use concord::wire::dicom::{part10, picture};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let is_foreign = part10::split(bytes).is_ok_and(|file| {
        let syntax = file.transfer_syntax.as_str();
        syntax.starts_with("1.2.840.10008.1.2.4.9") || syntax.starts_with("1.2.840.10008.1.2.4.20")
    });
    if is_foreign {
        return;
    }
    for form in [Form::Png, Form::Samples, Form::Description] {
        let _ = picture::draw(bytes, &View { frame: 1, window: None, size: Size::LARGEST, form });
    }
    let _ = picture::stored_frame(bytes, 1);
});
