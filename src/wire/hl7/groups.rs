//! Which segment belongs to which order. Says nothing about what a segment means.
//!
//! Source: HL7 v2.5.1, 7.3.1 (ORU^R01) and 7.3.7 to 7.3.10 (OUL^R21 to R24).

use super::classify::Kind;
use super::error::{Hl7Error, Place, Problem};
use super::message::{Message, Segment};

/// An OBX with the notes under it.
#[derive(Clone)]
pub struct Noted<'m> {
    /// The OBX.
    pub segment: Segment<'m>,
    /// Its NTE segments.
    pub notes: Vec<Segment<'m>>,
}

/// One OBR with everything that belongs to it.
#[derive(Clone)]
pub struct Order<'m> {
    /// The patient the order is for; none where no PID came before it.
    pub pid: Option<Segment<'m>>,
    /// The visit.
    pub pv1: Option<Segment<'m>>,
    /// The common order.
    pub orc: Option<Segment<'m>>,
    /// The order itself.
    pub obr: Segment<'m>,
    /// The specimens.
    pub specimens: Vec<Segment<'m>>,
    /// ZDS segments, which carry a study.
    pub studies: Vec<Segment<'m>>,
    /// NTE segments under the order.
    pub notes: Vec<Segment<'m>>,
    /// Results of the order.
    pub results: Vec<Noted<'m>>,
    /// Observations of the patient or the specimen, not results.
    pub context: Vec<Noted<'m>>,
}

/// Groups the segments of a result message by order.
///
/// ORC stands before its OBR, in the specimen messages also after it. An SPM after results is followed by observations of
/// the specimen; in the specimen messages one that comes before any order, or after results, begins the next specimen.
///
/// # Errors
/// [`Problem::SegmentSequence`] at OBR, where the message has none; answer AE.
pub fn orders(message: &Message, kind: Kind) -> Result<Vec<Order<'_>>, Hl7Error> {
    let mut walk = Walk { kind, ..Walk::default() };
    for segment in message.segments() {
        walk.step(segment);
    }
    walk.close();
    if walk.orders.is_empty() {
        return Err(Hl7Error::new(Place::field("OBR", 1, 0), Problem::SegmentSequence));
    }
    Ok(walk.orders)
}

/// Where notes go.
#[derive(Default, Clone, Copy)]
enum NotesFor {
    #[default]
    Nobody,
    Order,
    Result,
    Context,
}

#[derive(Default)]
struct Walk<'m> {
    kind: Kind,
    pid: Option<Segment<'m>>,
    pv1: Option<Segment<'m>>,
    orc: Option<Segment<'m>>,
    specimens: Vec<Segment<'m>>,
    context: Vec<Noted<'m>>,
    open: Option<Order<'m>>,
    describes_specimen: bool,
    notes_for: NotesFor,
    orders: Vec<Order<'m>>,
}

impl<'m> Walk<'m> {
    fn step(&mut self, segment: Segment<'m>) {
        match segment.name() {
            "PID" => {
                self.close();
                let orders = std::mem::take(&mut self.orders);
                *self = Self { kind: self.kind, pid: Some(segment), orders, ..Self::default() };
            }
            "PV1" => self.pv1 = Some(segment),
            "ORC" => self.common_order(segment),
            "OBR" => self.begin(segment),
            "SPM" => self.specimen(segment),
            "ZDS" => self.open.iter_mut().for_each(|order| order.studies.push(segment)),
            "OBX" => self.observation(segment),
            "NTE" => self.note(segment),
            _ => {}
        }
    }

    fn common_order(&mut self, segment: Segment<'m>) {
        match &mut self.open {
            Some(order) if self.kind == Kind::Specimens && order.orc.is_none() => order.orc = Some(segment),
            _ => self.orc = Some(segment),
        }
    }

    fn begin(&mut self, obr: Segment<'m>) {
        self.close();
        self.describes_specimen = false;
        self.notes_for = NotesFor::Order;
        self.open = Some(Order {
            pid: self.pid,
            pv1: self.pv1,
            orc: self.orc.take(),
            obr,
            specimens: self.specimens.clone(),
            studies: Vec::new(),
            notes: Vec::new(),
            results: Vec::new(),
            context: self.context.clone(),
        });
    }

    fn specimen(&mut self, segment: Segment<'m>) {
        self.notes_for = NotesFor::Nobody;
        match &mut self.open {
            Some(order) if self.kind == Kind::Orders || order.results.is_empty() => {
                self.describes_specimen = !order.results.is_empty();
                order.specimens.push(segment);
            }
            Some(_) => {
                self.close();
                self.specimens = vec![segment];
                self.context.clear();
            }
            None => self.specimens.push(segment),
        }
    }

    fn observation(&mut self, segment: Segment<'m>) {
        let noted = Noted { segment, notes: Vec::new() };
        match &mut self.open {
            Some(order) if self.describes_specimen => {
                order.context.push(noted);
                self.notes_for = NotesFor::Context;
            }
            Some(order) => {
                order.orc = order.orc.or(self.orc.take());
                order.results.push(noted);
                self.notes_for = NotesFor::Result;
            }
            None => {
                self.context.push(noted);
                self.notes_for = NotesFor::Context;
            }
        }
    }

    fn note(&mut self, segment: Segment<'m>) {
        let context = self.open.as_mut().map_or(&mut self.context, |order| &mut order.context);
        match self.notes_for {
            NotesFor::Context => context.last_mut().into_iter().for_each(|noted| noted.notes.push(segment)),
            NotesFor::Result => {
                let last = self.open.iter_mut().filter_map(|order| order.results.last_mut());
                last.for_each(|noted| noted.notes.push(segment));
            }
            NotesFor::Order => self.open.iter_mut().for_each(|order| order.notes.push(segment)),
            NotesFor::Nobody => {}
        }
    }

    fn close(&mut self) {
        self.orders.extend(self.open.take());
    }
}
