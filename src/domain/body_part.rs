//! The region's tree of body parts. A part stands for the leaves below it; containment is set containment of leaves.

use std::collections::{BTreeMap, BTreeSet};

/// One body part of the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BodyPart {
    /// Code, as `UPPER_ABDOMEN`.
    pub code: String,
    /// The part that this one is a piece of; the pieces of a part make it up wholly.
    pub parent: Option<String>,
    /// Chinese name.
    pub name_zh: String,
    /// English name.
    pub name_en: String,
    /// Whether the part has a left and a right.
    pub paired: bool,
    /// Other names, matched whole: terms of DICOM (0018,0015) and Chinese names.
    pub terms: BTreeSet<String>,
}

/// All body parts, with their leaves worked out once.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BodyParts {
    parts: BTreeMap<String, BodyPart>,
    leaves: BTreeMap<String, BTreeSet<String>>,
    by_term: BTreeMap<String, String>,
}

/// The tree is not one; the table must be corrected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BodyPartError {
    /// Two rows have this code.
    #[error("body part {0} is listed twice")]
    Twice(String),
    /// The parent of this part is not in the table.
    #[error("body part {0} names a parent that is not listed")]
    Orphan(String),
    /// Going up from this part never ends.
    #[error("body part {0} is its own ancestor")]
    Circle(String),
    /// Two parts share a term, so the term would be a guess.
    #[error("a term of body part {0} is already taken")]
    Term(String),
}

impl super::fault::Faulty for BodyPartError {
    fn fault(&self) -> super::fault::Fault {
        super::fault::Fault::BadInput
    }
}

impl BodyParts {
    /// Builds the tree.
    ///
    /// # Errors
    /// [`BodyPartError`] when the rows are no tree; correct the row it names.
    pub fn new(rows: Vec<BodyPart>) -> Result<Self, BodyPartError> {
        let mut tree = Self::default();
        for part in rows {
            let code = part.code.clone();
            if tree.parts.insert(code.clone(), part).is_some() {
                return Err(BodyPartError::Twice(code));
            }
        }
        for part in tree.parts.values() {
            for term in part.terms.iter().chain([&part.code]) {
                if tree.by_term.insert(term.clone(), part.code.clone()).is_some_and(|other| other != part.code) {
                    return Err(BodyPartError::Term(part.code.clone()));
                }
            }
        }
        let inner: BTreeSet<&String> = tree.parts.values().filter_map(|part| part.parent.as_ref()).collect();
        for leaf in tree.parts.keys().filter(|code| !inner.contains(code)) {
            for above in tree.lineage(leaf)? {
                tree.leaves.entry(above).or_default().insert(leaf.clone());
            }
        }
        match tree.parts.keys().find(|code| !tree.leaves.contains_key(*code)) {
            Some(stranded) => Err(BodyPartError::Circle(stranded.clone())),
            None => Ok(tree),
        }
    }

    /// Finds a part by code.
    pub fn part(&self, code: &str) -> Option<&BodyPart> {
        self.parts.get(code)
    }

    /// Finds a part by its code or one of its terms, whole and exact.
    pub fn by_term(&self, term: &str) -> Option<&BodyPart> {
        self.by_term.get(term).and_then(|code| self.parts.get(code))
    }

    /// Gives the leaves that make up a part; empty when the part is not in the tree.
    pub fn leaves(&self, code: &str) -> impl Iterator<Item = &str> {
        self.leaves.get(code).into_iter().flatten().map(String::as_str)
    }

    /// Says whether `outer` contains the leaf.
    pub fn holds(&self, outer: &str, leaf: &str) -> bool {
        self.leaves.get(outer).is_some_and(|leaves| leaves.contains(leaf))
    }

    /// Says whether `outer` contains all of `inner`; nothing contains a part that is not in the tree.
    pub fn contains(&self, outer: &str, inner: &str) -> bool {
        let pair = self.leaves.get(outer).zip(self.leaves.get(inner));
        pair.is_some_and(|(outer, inner)| outer.is_superset(inner))
    }

    /// Gives all parts in order of their codes.
    pub fn iter(&self) -> impl Iterator<Item = &BodyPart> {
        self.parts.values()
    }

    fn lineage(&self, leaf: &str) -> Result<Vec<String>, BodyPartError> {
        let mut line = vec![leaf.to_owned()];
        let mut next = self.parts.get(leaf).and_then(|part| part.parent.clone());
        while let Some(code) = next {
            if line.contains(&code) {
                return Err(BodyPartError::Circle(code));
            }
            let parent = self.parts.get(&code).ok_or_else(|| BodyPartError::Orphan(leaf.to_owned()))?;
            line.push(code);
            next = parent.parent.clone();
        }
        Ok(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(code: &str, parent: Option<&str>, terms: &[&str]) -> BodyPart {
        BodyPart {
            code: code.into(),
            parent: parent.map(Into::into),
            name_zh: String::new(),
            name_en: String::new(),
            paired: false,
            terms: terms.iter().map(|term| (*term).into()).collect(),
        }
    }

    #[test]
    fn a_part_holds_the_leaves_below_it_and_no_other() {
        let tree = BodyParts::new(vec![
            row("ABDOMEN", None, &["全腹部"]),
            row("UPPER_ABDOMEN", Some("ABDOMEN"), &[]),
            row("LOWER_ABDOMEN", Some("ABDOMEN"), &[]),
            row("PELVIS", None, &[]),
        ])
        .unwrap();
        assert!(tree.holds("ABDOMEN", "UPPER_ABDOMEN"));
        assert!(!tree.holds("UPPER_ABDOMEN", "LOWER_ABDOMEN"));
        assert!(!tree.holds("ABDOMEN", "PELVIS"));
        assert_eq!(tree.leaves("ABDOMEN").count(), 2);
        assert_eq!(tree.by_term("全腹部").unwrap().code, "ABDOMEN");
        assert!(tree.by_term("腹部").is_none(), "no part of a term is a term");
    }

    #[test]
    fn what_is_no_tree_is_refused() {
        let twice = vec![row("A", None, &[]), row("A", None, &[])];
        assert_eq!(BodyParts::new(twice), Err(BodyPartError::Twice("A".into())));
        let circle = vec![row("A", Some("B"), &[]), row("B", Some("A"), &[])];
        assert!(matches!(BodyParts::new(circle), Err(BodyPartError::Circle(_))));
        assert_eq!(BodyParts::new(vec![row("A", Some("B"), &[])]), Err(BodyPartError::Orphan("A".into())));
        let shared = vec![row("A", None, &["X"]), row("B", None, &["X"])];
        assert!(matches!(BodyParts::new(shared), Err(BodyPartError::Term(_))));
    }
}
