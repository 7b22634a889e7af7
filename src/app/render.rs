//! `concord render`: draws the picture of one DICOM file from standard input to standard output, in a process that
//! limits itself. Hub and node start one for each picture, so that no file can harm them (ADR 11).

use std::io::{self, Read, Write};

use clap::{Args, ValueEnum};
use rustix::process::{Resource, Rlimit, setrlimit};

use crate::domain::limits::{PICTURE_FILE_BYTES_MAX, PICTURE_MEMORY_BYTES_MAX};
use crate::domain::picture::{Curve, Form, Size, Undrawn, View, Window};
use crate::wire::dicom::picture;

/// Draws the picture of a DICOM file from standard input to standard output.
#[derive(Debug, Clone, Args)]
#[command(hide = true)]
pub struct RenderArgs {
    /// The frame, from 1.
    #[arg(long, default_value_t = 1)]
    frame: u32,
    /// Window as `CENTRE,WIDTH,linear|linear-exact|sigmoid`; the picture's own where it is left out.
    #[arg(long, value_parser = window, allow_hyphen_values = true)]
    window: Option<Window>,
    /// Most columns.
    #[arg(long, default_value_t = Size::LARGEST.width)]
    width: u32,
    /// Most rows.
    #[arg(long, default_value_t = Size::LARGEST.height)]
    height: u32,
    /// What is written.
    #[arg(long, value_enum, default_value_t = FormName::Png)]
    form: FormName,
    /// Quality of a JPEG, 1 to 100.
    #[arg(long, default_value_t = 90)]
    quality: u8,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum FormName {
    Png,
    Jpeg,
    Samples,
    Description,
}

/// Draws, and gives the code with which the process shall end: 0, or that of the reason, which is also told in words.
pub fn run(args: &RenderArgs) -> i32 {
    match restrained().and_then(|()| draw(args)) {
        Ok(()) => 0,
        Err(reason) => {
            eprintln!("concord: {reason}");
            code(reason)
        }
    }
}

/// Gives the arguments that ask for a view.
pub fn arguments(view: &View) -> Vec<String> {
    let (form, quality) = match view.form {
        Form::Png => ("png", None),
        Form::Jpeg { quality } => ("jpeg", Some(quality)),
        Form::Samples => ("samples", None),
        Form::Description => ("description", None),
    };
    let mut arguments = vec!["render".to_owned(), format!("--frame={}", view.frame), format!("--form={form}")];
    arguments.push(format!("--width={}", view.size.width));
    arguments.push(format!("--height={}", view.size.height));
    arguments.extend(quality.map(|quality| format!("--quality={quality}")));
    let window = |window: Window| format!("--window={},{},{}", window.centre, window.width, window.curve.as_str());
    arguments.extend(view.window.map(window));
    arguments
}

/// Gives the reason that an exit code stands for; any other end of the process is taken for damage in the file.
pub fn reason(code: Option<i32>) -> Undrawn {
    let known = REASONS.iter().find(|(number, _)| code == Some(*number));
    known.map_or(Undrawn::Damaged, |(_, reason)| *reason)
}

fn code(reason: Undrawn) -> i32 {
    REASONS.iter().find(|(_, known)| *known == reason).map_or(1, |(number, _)| *number)
}

fn draw(args: &RenderArgs) -> Result<(), Undrawn> {
    let form = match args.form {
        FormName::Png => Form::Png,
        FormName::Jpeg => Form::Jpeg { quality: args.quality.clamp(1, 100) },
        FormName::Samples => Form::Samples,
        FormName::Description => Form::Description,
    };
    let size = Size::new(args.width, args.height).unwrap_or(Size::LARGEST);
    let view = View { frame: args.frame, window: args.window, size, form };
    let mut file = Vec::new();
    let mut input = io::stdin().lock().take(PICTURE_FILE_BYTES_MAX + 1);
    input.read_to_end(&mut file).map_err(|_| Undrawn::Broken)?;
    if u64::try_from(file.len()).map_or(true, |length| length > PICTURE_FILE_BYTES_MAX) {
        return Err(Undrawn::TooLarge);
    }
    let drawn = picture::draw(&file, &view)?;
    let mut output = io::stdout().lock();
    output.write_all(&drawn).and_then(|()| output.flush()).map_err(|_| Undrawn::Broken)
}

/// Gives up memory, time, files and the picture of its own memory before a byte of the file is read.
fn restrained() -> Result<(), Undrawn> {
    let limits = [
        (Resource::As, PICTURE_MEMORY_BYTES_MAX),
        (Resource::Cpu, CPU_SECONDS_MAX),
        (Resource::Core, 0),
        (Resource::Fsize, 0),
    ];
    for (resource, most) in limits {
        setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) }).map_err(|_| Undrawn::Broken)?;
    }
    Ok(())
}

fn window(text: &str) -> Result<Window, String> {
    let mut parts = text.split(',');
    let mut number = || parts.next().and_then(|part| part.trim().parse().ok());
    let (centre, width) = (number(), number());
    let curve = parts.next().map_or(Some(Curve::Linear), Curve::parse);
    match (centre, width, curve, parts.next()) {
        (Some(centre), Some(width), Some(curve), None) => Window::new(centre, width, curve),
        _ => None,
    }
    .ok_or_else(|| "write CENTRE,WIDTH,linear".to_owned())
}

/// Exit codes of the process.
const REASONS: [(i32, Undrawn); 6] = [
    (10, Undrawn::NoPicture),
    (11, Undrawn::Unsupported),
    (12, Undrawn::Damaged),
    (13, Undrawn::TooLarge),
    (14, Undrawn::NoFrame),
    (16, Undrawn::Broken),
];
const CPU_SECONDS_MAX: u64 = 15;

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: RenderArgs,
    }

    #[test]
    fn what_is_asked_for_is_what_the_process_reads() {
        let window = Window::new(-600.5, 1_500.0, Curve::LinearExact);
        let view = View { frame: 3, window, size: Size { width: 128, height: 64 }, form: Form::Jpeg { quality: 70 } };
        let args = Line::try_parse_from(arguments(&view)).unwrap().args;
        assert_eq!((args.frame, args.window, args.width, args.height, args.quality), (3, window, 128, 64, 70));
    }

    #[test]
    fn a_process_that_was_killed_met_a_damaged_file() {
        for (number, known) in REASONS {
            assert_eq!((reason(Some(number)), code(known)), (known, number));
        }
        assert_eq!((reason(None), reason(Some(101))), (Undrawn::Damaged, Undrawn::Damaged));
    }
}
