//! What a patient allows: a consent with its bounds, the choice to share at all, and who may act for a child. Pure; what
//! was recorded when is given by whoever asks.

use std::collections::BTreeSet;
use std::fmt;

use super::entry::{Content, Entry, Sensitivity};
use super::id::{ConsentId, Pseudonym, ResultId};
use super::item::ItemCode;
use super::organisation::OrganisationCode;
use super::time::Moment;

/// A patient's consent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consent {
    /// Its name.
    pub id: ConsentId,
    /// The patient whose results it opens.
    pub patient: Pseudonym,
    /// To whom.
    pub grantee: Grantee,
    /// What it opens.
    pub extent: Extent,
    /// What for.
    pub purpose: ConsentPurpose,
    /// First instant at which it holds.
    pub from: Moment,
    /// First instant at which it no longer holds.
    pub to: Moment,
    /// How often it may be used; none for no limit.
    pub uses_max: Option<u32>,
    /// The guardian who gave it for the patient, if one did.
    pub guardian: Option<Pseudonym>,
    /// When it was given.
    pub granted_at: Moment,
    /// First instant at which it was ended.
    pub revoked_at: Option<Moment>,
}

/// To whom a consent is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Grantee {
    /// An organisation, compared as a whole.
    Organisation(OrganisationCode),
    /// Whoever holds the consent's link.
    LinkHolder,
}

/// What a consent opens; its parts add up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Extent {
    /// Every result.
    pub all: bool,
    /// Every result of these kinds.
    pub classes: BTreeSet<ResultClass>,
    /// Results of these items.
    pub items: BTreeSet<ItemCode>,
    /// These results, by their names in the region.
    pub results: BTreeSet<ResultId>,
    /// Sensitive ones among them too; without it, never.
    pub sensitive: bool,
}

/// Kind of a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ResultClass {
    /// A laboratory result (检验).
    Laboratory,
    /// An imaging study (检查).
    Imaging,
}

/// What a consent is given for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ConsentPurpose {
    /// Treatment.
    Treatment,
    /// Another doctor's opinion.
    SecondOpinion,
    /// An insurer's question.
    Insurance,
    /// An employer's question.
    Employment,
    /// The patient's own use.
    Personal,
}

/// What the holder of a link has to know besides; its `Debug` hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct Passcode(String);

/// What a consent has to know of a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts<'a> {
    /// Whose it is.
    pub patient: Pseudonym,
    /// Its name in the region.
    pub name: ResultId,
    /// Its kind.
    pub class: ResultClass,
    /// The items that it answers.
    pub items: &'a [ItemCode],
    /// Whether it is sensitive, by its publisher's word or the region's.
    pub sensitive: bool,
}

/// Why a consent does not open a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NotPermitted {
    /// It is another patient's consent.
    OtherPatient,
    /// It was given to somebody else.
    OtherGrantee,
    /// It was ended.
    Revoked,
    /// It was given before the patient opted out of sharing.
    OptedOut,
    /// It does not hold yet.
    NotYet,
    /// It holds no longer.
    Expired,
    /// It was used as often as it may be.
    UsedUp,
    /// It does not open this result.
    NotCovered,
    /// It does not name sensitive results, and this is one.
    Sensitive,
}

/// Whether a patient shares results at all, and since when that is so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sharing {
    /// When the patient opted out, where that stands.
    pub opted_out_at: Option<Moment>,
}

/// What is known of a consent's use beside the consent itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Standing {
    /// How often it was used.
    pub uses: u32,
    /// What the patient chose about sharing.
    pub sharing: Sharing,
}

impl Consent {
    /// Says whether `who` may see a result by this consent at the instant `at`, or the first fact against it.
    ///
    /// The first instant of the period belongs to it, the last does not; from the instant of its end on it opens
    /// nothing. Of two limits the narrower holds.
    ///
    /// # Errors
    /// [`NotPermitted`]; nothing may be shown.
    pub fn permits(&self, who: Grantee, facts: &Facts<'_>, at: Moment, standing: Standing) -> Result<(), NotPermitted> {
        if self.patient != facts.patient {
            return Err(NotPermitted::OtherPatient);
        }
        if self.grantee != who {
            return Err(NotPermitted::OtherGrantee);
        }
        self.holds(at, standing)?;
        self.extent.covers(facts)
    }

    /// Says whether the consent holds at an instant, whatever it is asked for.
    ///
    /// # Errors
    /// [`NotPermitted`] without [`NotPermitted::NotCovered`] and [`NotPermitted::Sensitive`].
    pub fn holds(&self, at: Moment, standing: Standing) -> Result<(), NotPermitted> {
        let at = at.unix_ms();
        if self.revoked_at.is_some_and(|revoked| revoked.unix_ms() <= at) {
            return Err(NotPermitted::Revoked);
        }
        if standing.sharing.silences(self.granted_at) {
            return Err(NotPermitted::OptedOut);
        }
        if at < self.from.unix_ms() {
            return Err(NotPermitted::NotYet);
        }
        if at >= self.to.unix_ms() {
            return Err(NotPermitted::Expired);
        }
        if self.uses_max.is_some_and(|most| standing.uses >= most) {
            return Err(NotPermitted::UsedUp);
        }
        Ok(())
    }
}

impl Extent {
    /// Says whether a result is among what is opened.
    ///
    /// # Errors
    /// [`NotPermitted::NotCovered`] or [`NotPermitted::Sensitive`].
    pub fn covers(&self, facts: &Facts<'_>) -> Result<(), NotPermitted> {
        let named = self.all
            || self.classes.contains(&facts.class)
            || self.results.contains(&facts.name)
            || facts.items.iter().any(|item| self.items.contains(item));
        if !named {
            return Err(NotPermitted::NotCovered);
        }
        if facts.sensitive && !self.sensitive {
            return Err(NotPermitted::Sensitive);
        }
        Ok(())
    }

    /// Says whether nothing is named at all.
    pub fn is_empty(&self) -> bool {
        !self.all && self.classes.is_empty() && self.items.is_empty() && self.results.is_empty()
    }
}

impl Sharing {
    /// Says whether the patient has opted out.
    pub fn is_opted_out(self) -> bool {
        self.opted_out_at.is_some()
    }

    /// Says whether a consent given at an instant sleeps because the patient opted out after it.
    pub fn silences(self, granted_at: Moment) -> bool {
        self.opted_out_at.is_some_and(|out| granted_at.unix_ms() < out.unix_ms())
    }
}

impl Passcode {
    /// Wraps a passcode the moment it is read from outside.
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// Shows the passcode to code that must hash it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Passcode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("[passcode]")
    }
}

impl ResultClass {
    /// Gives the kind of an entry.
    pub fn of(entry: &Entry) -> Self {
        match entry.content {
            Content::Laboratory(_) => Self::Laboratory,
            Content::Imaging(_) => Self::Imaging,
        }
    }
}

impl ConsentPurpose {
    /// Spells the purpose as records do.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Treatment => "treatment",
            Self::SecondOpinion => "second-opinion",
            Self::Insurance => "insurance",
            Self::Employment => "employment",
            Self::Personal => "personal",
        }
    }
}

/// Says whether a result is sensitive: by its publisher's word, or because one of its items is, or is unknown to
/// `classified`, which gives what the region says of an item. What nobody classified counts as sensitive.
pub fn is_sensitive(
    said: Sensitivity,
    items: &[ItemCode],
    classified: impl Fn(ItemCode) -> Option<Sensitivity>,
) -> bool {
    said == Sensitivity::Sensitive || items.iter().any(|item| classified(*item) != Some(Sensitivity::Normal))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PATIENT: Pseudonym = Pseudonym::new([1; 16]);
    const NAME: ResultId = ResultId::new([5; 16]);

    fn hospital() -> OrganisationCode {
        "91350100M000100Y43".parse().unwrap()
    }

    fn other() -> OrganisationCode {
        "91110000600037341L".parse().unwrap()
    }

    fn at(unix_ms: i64) -> Moment {
        Moment::new(unix_ms, 480).unwrap()
    }

    fn potassium() -> Vec<ItemCode> {
        vec!["L01001".parse().unwrap()]
    }

    fn facts(items: &[ItemCode], sensitive: bool) -> Facts<'_> {
        Facts { patient: PATIENT, name: NAME, class: ResultClass::Laboratory, items, sensitive }
    }

    /// Everything but sensitive results, for the hospital, from 100 until 200, at most 2 times.
    fn consent() -> Consent {
        Consent {
            id: ConsentId::new([3; 16]),
            patient: PATIENT,
            grantee: Grantee::Organisation(hospital()),
            extent: Extent { all: true, ..Extent::default() },
            purpose: ConsentPurpose::Treatment,
            from: at(100),
            to: at(200),
            uses_max: Some(2),
            guardian: None,
            granted_at: at(50),
            revoked_at: None,
        }
    }

    fn used(uses: u32) -> Standing {
        Standing { uses, sharing: Sharing::default() }
    }

    #[test]
    fn every_bound_of_a_consent_holds_alone() {
        use NotPermitted as No;
        let items = potassium();
        let own = Grantee::Organisation(hospital());
        let ask = |consent: &Consent, who, facts: Facts<'_>, unix_ms, uses| {
            consent.permits(who, &facts, at(unix_ms), used(uses))
        };
        let plain = facts(&items, false);
        let revoked = Consent { revoked_at: Some(at(150)), ..consent() };
        let stranger = Facts { patient: Pseudonym::new([2; 16]), ..plain };
        let table = [
            ("the first instant", consent(), own, plain, 100, 0, Ok(())),
            ("the last instant", consent(), own, plain, 199, 1, Ok(())),
            ("before it", consent(), own, plain, 99, 0, Err(No::NotYet)),
            ("at its end", consent(), own, plain, 200, 0, Err(No::Expired)),
            ("used up", consent(), own, plain, 150, 2, Err(No::UsedUp)),
            ("used beyond", consent(), own, plain, 150, 9, Err(No::UsedUp)),
            ("another's hands", consent(), Grantee::Organisation(other()), plain, 150, 0, Err(No::OtherGrantee)),
            ("a link's holder", consent(), Grantee::LinkHolder, plain, 150, 0, Err(No::OtherGrantee)),
            ("another patient", consent(), own, stranger, 150, 0, Err(No::OtherPatient)),
            ("before its revocation", revoked.clone(), own, plain, 149, 0, Ok(())),
            ("at its revocation", revoked, own, plain, 150, 0, Err(No::Revoked)),
            ("a sensitive one", consent(), own, facts(&items, true), 150, 0, Err(No::Sensitive)),
        ];
        for (what, consent, who, facts, unix_ms, uses, expected) in table {
            assert_eq!(ask(&consent, who, facts, unix_ms, uses), expected, "{what}");
        }
    }

    #[test]
    fn an_extent_opens_what_it_names_and_nothing_else() {
        let items = potassium();
        let named = |extent: Extent, sensitive| extent.covers(&facts(&items, sensitive));
        let nothing = Extent::default();
        let classes = |class| Extent { classes: BTreeSet::from([class]), ..Extent::default() };
        let item = |code: &str| Extent { items: BTreeSet::from([code.parse().unwrap()]), ..Extent::default() };
        let result = |id| Extent { results: BTreeSet::from([ResultId::new([id; 16])]), ..Extent::default() };
        assert!(nothing.is_empty());
        assert_eq!(named(Extent { sensitive: true, ..nothing }, true), Err(NotPermitted::NotCovered));
        assert_eq!(named(classes(ResultClass::Laboratory), false), Ok(()));
        assert_eq!(named(classes(ResultClass::Imaging), false), Err(NotPermitted::NotCovered));
        assert_eq!(named(item("L01001"), false), Ok(()));
        assert_eq!(named(item("L01002"), false), Err(NotPermitted::NotCovered));
        assert_eq!(named(result(5), false), Ok(()));
        assert_eq!(named(result(6), false), Err(NotPermitted::NotCovered));
        assert_eq!(named(result(5), true), Err(NotPermitted::Sensitive), "a name alone opens nothing sensitive");
        assert_eq!(named(Extent { sensitive: true, ..result(5) }, true), Ok(()));
    }

    #[test]
    fn opting_out_puts_earlier_consents_to_sleep_and_later_ones_hold() {
        let items = potassium();
        let ask = |opted_out_at| {
            let standing = Standing { uses: 0, sharing: Sharing { opted_out_at } };
            consent().permits(Grantee::Organisation(hospital()), &facts(&items, false), at(150), standing)
        };
        assert_eq!(ask(None), Ok(()));
        assert_eq!(ask(Some(at(51))), Err(NotPermitted::OptedOut));
        assert_eq!(ask(Some(at(50))), Ok(()), "given at the same instant or later");
    }

    #[test]
    fn what_nobody_classified_counts_as_sensitive() {
        use Sensitivity::{Normal, Sensitive};
        let items = potassium();
        let table = [
            (Normal, Some(Normal), false),
            (Normal, Some(Sensitive), true),
            (Normal, None, true),
            (Sensitive, Some(Normal), true),
        ];
        for (said, region, expected) in table {
            assert_eq!(is_sensitive(said, &items, |_| region), expected, "{said:?} {region:?}");
        }
    }

    proptest! {
        /// Narrowing never opens: what a consent permits, one that is wider in every bound permits too.
        #[test]
        fn a_wider_consent_permits_all_that_a_narrower_one_does(
            from in 0..300i64, to in 0..300i64, now in 0..300i64, uses in 0..4u32, most in 0..4u32, sensitive: bool,
            named: bool, revoked in proptest::option::of(0..300i64),
        ) {
            let items = potassium();
            let narrow = Consent {
                from: at(from), to: at(to), uses_max: Some(most), revoked_at: revoked.map(at),
                extent: Extent { all: true, sensitive: named, ..Extent::default() },
                ..consent()
            };
            let wide = Consent {
                from: at(0), to: at(300), uses_max: None, revoked_at: None,
                extent: Extent { all: true, sensitive: true, ..Extent::default() },
                ..narrow.clone()
            };
            let ask = |consent: &Consent| {
                consent.permits(Grantee::Organisation(hospital()), &facts(&items, sensitive), at(now), used(uses))
            };
            prop_assert!(ask(&wide).is_ok());
            let inside = from <= now && now < to && uses < most && revoked.is_none_or(|revoked| now < revoked);
            prop_assert_eq!(ask(&narrow).is_ok(), inside && (named || !sensitive));
        }
    }
}
