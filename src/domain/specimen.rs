//! What a laboratory tested. Names are matched whole and exactly; a name that is not in the table stays unknown.

/// The specimen of a laboratory result. Source: HL7 v2 table 0487, with the additives of table 0371.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Specimen {
    /// Serum (血清).
    Serum,
    /// Plasma, additive not said (血浆).
    Plasma,
    /// Serum or plasma, as the LOINC system `Ser/Plas` says; the sender named nothing finer.
    SerumOrPlasma,
    /// Heparin plasma (肝素血浆).
    HeparinPlasma,
    /// EDTA plasma (EDTA血浆); unfit for potassium and calcium.
    EdtaPlasma,
    /// Citrate plasma (枸橼酸血浆), for coagulation.
    CitratePlasma,
    /// Whole blood, additive not said (全血).
    WholeBlood,
    /// EDTA whole blood (EDTA全血).
    EdtaBlood,
    /// Venous blood (静脉血).
    VenousBlood,
    /// Arterial blood (动脉血).
    ArterialBlood,
    /// Capillary blood (末梢血).
    CapillaryBlood,
    /// Cord blood (脐带血).
    CordBlood,
    /// Urine, random or not said (尿液, 随机尿).
    Urine,
    /// Midstream, clean-catch urine (中段尿).
    MidstreamUrine,
    /// First urine of the morning (晨尿).
    MorningUrine,
    /// Urine collected over 24 hours (24小时尿).
    DayUrine,
    /// Stool (粪便).
    Stool,
    /// Cerebrospinal fluid (脑脊液).
    CerebrospinalFluid,
    /// Pleural or abdominal fluid (胸腹水).
    SerousFluid,
    /// Sputum (痰).
    Sputum,
    /// Swab (拭子).
    Swab,
    /// Bone marrow (骨髓).
    BoneMarrow,
}

impl Specimen {
    /// Finds the specimen of an HL7 code (table 0487 or 0070), with the additive of SPM-6 (table 0371) if one was sent.
    pub fn from_hl7(code: &str, additive: Option<&str>) -> Option<Self> {
        let specimen = HL7_CODES.iter().find(|(known, _)| *known == code).map(|(_, specimen)| *specimen)?;
        let additive = additive.filter(|text| !text.is_empty());
        match (specimen, additive) {
            (Self::Plasma, Some(code)) if EDTA.contains(&code) => Some(Self::EdtaPlasma),
            (Self::Plasma, Some(code)) if CITRATE.contains(&code) => Some(Self::CitratePlasma),
            (Self::Plasma, Some(code)) if HEPARIN.contains(&code) => Some(Self::HeparinPlasma),
            (Self::WholeBlood | Self::VenousBlood, Some(code)) if EDTA.contains(&code) => Some(Self::EdtaBlood),
            _ => Some(specimen),
        }
    }

    /// Finds the specimen of a Chinese name as laboratories write it.
    pub fn from_chinese(name: &str) -> Option<Self> {
        CHINESE_NAMES.iter().find(|(known, _)| *known == name.trim()).map(|(_, specimen)| *specimen)
    }

    /// Finds the specimen of an HL7 code without additive, or else of a Chinese name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::from_hl7(text.trim(), None).or_else(|| Self::from_chinese(text))
    }

    /// Gives the Chinese name that a doctor reads.
    pub fn name_zh(self) -> &'static str {
        CHINESE_NAMES.iter().find(|(_, specimen)| *specimen == self).map_or("", |(name, _)| name)
    }

    /// Gives the code that tables and records carry.
    pub fn code(self) -> &'static str {
        HL7_CODES.iter().find(|(_, specimen)| *specimen == self).map_or("", |(code, _)| code)
    }
}

/// The first code of a specimen is the one it is written with. Codes of more than five letters are the catalogue's own.
const HL7_CODES: [(&str, Specimen); 33] = [
    ("SER", Specimen::Serum),
    ("PLAS", Specimen::Plasma),
    ("SER/PLAS", Specimen::SerumOrPlasma),
    ("PLAS.HEP", Specimen::HeparinPlasma),
    ("PLAS.EDTA", Specimen::EdtaPlasma),
    ("PLAS.CIT", Specimen::CitratePlasma),
    ("PPP", Specimen::CitratePlasma),
    ("BLD", Specimen::WholeBlood),
    ("WB", Specimen::WholeBlood),
    ("BLD.EDTA", Specimen::EdtaBlood),
    ("BLDV", Specimen::VenousBlood),
    ("BLDA", Specimen::ArterialBlood),
    ("BLDC", Specimen::CapillaryBlood),
    ("BLDCO", Specimen::CordBlood),
    ("CORD", Specimen::CordBlood),
    ("UR", Specimen::Urine),
    ("RANDU", Specimen::Urine),
    ("URC", Specimen::MidstreamUrine),
    ("UMID", Specimen::MidstreamUrine),
    ("UR.MORN", Specimen::MorningUrine),
    ("UR.24H", Specimen::DayUrine),
    ("U24", Specimen::DayUrine),
    ("STL", Specimen::Stool),
    ("CSF", Specimen::CerebrospinalFluid),
    ("PLR", Specimen::SerousFluid),
    ("PRT", Specimen::SerousFluid),
    ("FLD", Specimen::SerousFluid),
    ("SPT", Specimen::Sputum),
    ("SWAB", Specimen::Swab),
    ("SWA", Specimen::Swab),
    ("THRT", Specimen::Swab),
    ("MAR", Specimen::BoneMarrow),
    ("BON", Specimen::BoneMarrow),
];

const EDTA: [&str; 4] = ["EDTK", "EDTK15", "EDTK75", "EDTN"];
const CITRATE: [&str; 2] = ["C32", "C38"];
const HEPARIN: [&str; 2] = ["HEPL", "HEPN"];

/// The first name of a specimen is the one it is shown with.
const CHINESE_NAMES: [(&str, Specimen); 44] = [
    ("血清", Specimen::Serum),
    ("血浆", Specimen::Plasma),
    ("血清/血浆", Specimen::SerumOrPlasma),
    ("血清或血浆", Specimen::SerumOrPlasma),
    ("肝素血浆", Specimen::HeparinPlasma),
    ("肝素抗凝血浆", Specimen::HeparinPlasma),
    ("EDTA血浆", Specimen::EdtaPlasma),
    ("EDTA抗凝血浆", Specimen::EdtaPlasma),
    ("枸橼酸血浆", Specimen::CitratePlasma),
    ("枸橼酸钠血浆", Specimen::CitratePlasma),
    ("枸橼酸钠抗凝血浆", Specimen::CitratePlasma),
    ("柠檬酸钠抗凝血浆", Specimen::CitratePlasma),
    ("全血", Specimen::WholeBlood),
    ("血液", Specimen::WholeBlood),
    ("EDTA全血", Specimen::EdtaBlood),
    ("全血(EDTA)", Specimen::EdtaBlood),
    ("EDTA抗凝全血", Specimen::EdtaBlood),
    ("抗凝全血", Specimen::EdtaBlood),
    ("静脉血", Specimen::VenousBlood),
    ("静脉全血", Specimen::VenousBlood),
    ("动脉血", Specimen::ArterialBlood),
    ("末梢血", Specimen::CapillaryBlood),
    ("毛细血管血", Specimen::CapillaryBlood),
    ("指尖血", Specimen::CapillaryBlood),
    ("脐带血", Specimen::CordBlood),
    ("脐血", Specimen::CordBlood),
    ("尿液", Specimen::Urine),
    ("尿", Specimen::Urine),
    ("随机尿", Specimen::Urine),
    ("中段尿", Specimen::MidstreamUrine),
    ("清洁中段尿", Specimen::MidstreamUrine),
    ("晨尿", Specimen::MorningUrine),
    ("24小时尿", Specimen::DayUrine),
    ("24h尿", Specimen::DayUrine),
    ("粪便", Specimen::Stool),
    ("大便", Specimen::Stool),
    ("脑脊液", Specimen::CerebrospinalFluid),
    ("胸腹水", Specimen::SerousFluid),
    ("胸水", Specimen::SerousFluid),
    ("腹水", Specimen::SerousFluid),
    ("痰", Specimen::Sputum),
    ("痰液", Specimen::Sputum),
    ("拭子", Specimen::Swab),
    ("骨髓", Specimen::BoneMarrow),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_match_whole_and_exactly() {
        assert_eq!(Specimen::parse("血清"), Some(Specimen::Serum));
        assert_eq!(Specimen::parse("BLDA"), Some(Specimen::ArterialBlood));
        for near in ["血", "清", "血清标本", "SE", "BLDAX", "ser", ""] {
            assert_eq!(Specimen::parse(near), None, "{near}");
        }
    }

    #[test]
    fn the_additive_tells_plasmas_apart() {
        assert_eq!(Specimen::from_hl7("PLAS", Some("EDTK")), Some(Specimen::EdtaPlasma));
        assert_eq!(Specimen::from_hl7("PLAS", Some("C32")), Some(Specimen::CitratePlasma));
        assert_eq!(Specimen::from_hl7("PLAS", Some("HEPL")), Some(Specimen::HeparinPlasma));
        assert_eq!(Specimen::from_hl7("BLDV", Some("EDTK")), Some(Specimen::EdtaBlood));
        assert_eq!(Specimen::from_hl7("SER", Some("EDTK")), Some(Specimen::Serum));
    }

    #[test]
    fn every_specimen_has_one_code_and_one_name_that_read_back() {
        for (_, specimen) in HL7_CODES {
            assert_eq!(Specimen::parse(specimen.code()), Some(specimen));
            assert_eq!(Specimen::from_chinese(specimen.name_zh()), Some(specimen));
        }
    }
}
