//! The rule's facts in words, Chinese and English. Facts are decided elsewhere; no text decides anything.

use super::eqa::SanctionAct;
use super::order::Setting;
use super::qualification::{Step, StepEvent, Unqualified};
use super::time::Moment;
use super::value::Incomparable;
use super::verdict::{Caution, Refusal};

/// One text in both languages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bilingual {
    /// Chinese.
    pub zh: String,
    /// English.
    pub en: String,
}

impl Refusal {
    /// Gives the name that programs compare, in capital letters and underscores.
    pub fn code(&self) -> &'static str {
        match self {
            Self::OtherPatient => "OTHER_PATIENT",
            Self::LinkDisputed => "LINK_DISPUTED",
            Self::NotCovered => "NOT_COVERED",
            Self::Sensitive => "SENSITIVE",
            Self::NotLatest { .. } => "NOT_LATEST",
            Self::Preliminary => "PRELIMINARY",
            Self::Withdrawn => "WITHDRAWN",
            Self::KeyNotValid => "KEY_NOT_VALID",
            Self::OwnResult => "OWN_RESULT",
            Self::LoincDiffers => "LOINC_DIFFERS",
            Self::SpecimenUnknown => "SPECIMEN_UNKNOWN",
            Self::SpecimenDiffers { .. } => "SPECIMEN_DIFFERS",
            Self::ValueMissing => "VALUE_MISSING",
            Self::NotComparable(_) => "NOT_COMPARABLE",
            Self::MethodUnknown => "METHOD_UNKNOWN",
            Self::MethodDiffers => "METHOD_DIFFERS",
            Self::SideUnknown => "SIDE_UNKNOWN",
            Self::SideDiffers => "SIDE_DIFFERS",
            Self::ViewMissing => "VIEW_MISSING",
            Self::ContrastDiffers => "CONTRAST_DIFFERS",
            Self::SlicesTooThick { .. } => "SLICES_TOO_THICK",
            Self::ThicknessUnknown => "THICKNESS_UNKNOWN",
            Self::NotQualified(fact) => fact.code(),
            Self::OutOfScope { .. } => "OUT_OF_SCOPE",
            Self::WindowZero { .. } => "WINDOW_ZERO",
            Self::NeverPrompts => "NEVER_PROMPTS",
            Self::WindowExpired { .. } => "WINDOW_EXPIRED",
            Self::InFuture => "IN_FUTURE",
            Self::TimesContradict => "TIMES_CONTRADICT",
            Self::Emergency => "EMERGENCY",
            Self::Preoperative => "PREOPERATIVE",
            Self::Transfusion => "TRANSFUSION",
            Self::GuardedPanel => "GUARDED_PANEL",
            Self::Forensic => "FORENSIC",
            Self::Serial => "SERIAL",
            Self::Neonate => "NEONATE",
            Self::Pregnant => "PREGNANT",
            Self::TreatedSince { .. } => "TREATED_SINCE",
            Self::AlreadyDecided => "ALREADY_DECIDED",
            Self::AlertBudget => "ALERT_BUDGET",
        }
    }

    /// Says it to a doctor.
    pub fn text(&self) -> Bilingual {
        match self {
            Self::OtherPatient => both("非本人结果", "belongs to another patient"),
            Self::LinkDisputed => both("身份存疑，已隔离", "the link to this patient is disputed"),
            Self::NotCovered => both("与所开项目无关", "is about something else"),
            Self::Sensitive => both("敏感项目，需患者授权", "needs the patient's grant"),
            Self::NotLatest { latest } => {
                pair(format!("已有更新版本（第{latest}版）"), format!("was replaced by version {latest}"))
            }
            Self::Preliminary => both("初步报告", "is preliminary"),
            Self::Withdrawn => both("已撤回", "was withdrawn"),
            Self::KeyNotValid => both("签名密钥无效", "its signing key was not valid"),
            Self::OwnResult => both("本院结果", "is this hospital's own"),
            Self::LoincDiffers => both("LOINC 编码与目录不符", "its LOINC code is not the item's"),
            Self::SpecimenUnknown => both("标本类型未知", "names no specimen"),
            Self::SpecimenDiffers { found } => pair(
                format!("标本不同（{}）", found.name_zh()),
                format!("comes from another specimen ({})", found.code()),
            ),
            Self::ValueMissing => both("无可显示的结果值", "has no value to show"),
            Self::NotComparable(fact) => fact.text(),
            Self::MethodUnknown => both("检测方法未知，不可比", "the method is not known, so it does not compare"),
            Self::MethodDiffers => both("检测方法不同，不可比", "the method differs, so it does not compare"),
            Self::SideUnknown => both("侧别不明", "the side is not known"),
            Self::SideDiffers => both("侧别不符", "shows the other side"),
            Self::ViewMissing => both("缺少所需体位", "lacks the wanted view"),
            Self::ContrastDiffers => both("平扫或增强不符", "contrast differs from what is wanted"),
            Self::SlicesTooThick { found_mm, wanted_mm } => pair(
                format!("层厚 {found_mm} mm，要求不超过 {wanted_mm} mm"),
                format!("slices of {found_mm} mm, at most {wanted_mm} mm wanted"),
            ),
            Self::ThicknessUnknown => both("层厚未知", "slice thickness is not known"),
            Self::NotQualified(fact) => fact.text(),
            Self::OutOfScope { .. } => both("互认范围不含本地区", "its mark does not count in this region"),
            Self::WindowZero { setting } => zero_window(*setting),
            Self::NeverPrompts => both("不互认项目", "the item is never recognised"),
            Self::WindowExpired { window, age_ms } => {
                let hours = age_ms / MS_PER_HOUR;
                pair(format!("已 {hours} 小时，超出 {} 小时时限", window.0), format!("{hours} h old, window {window}"))
            }
            Self::InFuture => both("采集时间晚于开单时间", "was collected after the order"),
            Self::TimesContradict => both("报告时间早于采集时间", "was reported before it was collected"),
            Self::Emergency => both("急诊急救", "emergency visit"),
            Self::Preoperative => both("手术等重大医疗措施前", "a major measure follows"),
            Self::Transfusion => both("输血前", "a transfusion follows"),
            Self::GuardedPanel => both("术前或输血前组套", "ordered in a panel before a major measure"),
            Self::Forensic => both("司法、伤残、病退鉴定", "ordered for a legal or disability opinion"),
            Self::Serial => both("连续监测", "part of a planned series"),
            Self::Neonate => both("新生儿", "the patient is a newborn"),
            Self::Pregnant => both("妊娠期", "the patient is pregnant"),
            Self::TreatedSince { treated_at } => {
                let day = day(*treated_at);
                pair(format!("采集后已有治疗干预（{day}）"), format!("treated since it was collected ({day})"))
            }
            Self::AlreadyDecided => both("本次就诊已处理", "was decided on in this visit"),
            Self::AlertBudget => {
                both("本次就诊该项目提示已达上限", "was prompted for in this visit as often as the policy allows")
            }
        }
    }
}

impl Unqualified {
    /// Gives the name that programs compare.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoRecord => "NOT_QUALIFIED",
            Self::MethodDiffers => "NOT_QUALIFIED_METHOD",
            Self::NotYet { .. } => "NOT_YET_QUALIFIED",
            Self::Expired { .. } => "QUALIFICATION_EXPIRED",
            Self::InDoubt { .. } => "QUALIFICATION_IN_DOUBT",
            Self::Suspended { .. } | Self::Sanctioned { .. } => "QUALIFICATION_SUSPENDED",
            Self::Withdrawn { .. } => "QUALIFICATION_WITHDRAWN",
        }
    }

    /// Says it to a person.
    pub fn text(&self) -> Bilingual {
        let dated =
            |zh: &str, en: &str, at: &Moment| pair(format!("{zh}（{}）", day(*at)), format!("{en} {}", day(*at)));
        match self {
            Self::NoRecord => both("该项目未通过质量评价", "the laboratory is not qualified for the item"),
            Self::MethodDiffers => both("质量评价为其他方法", "the laboratory is qualified for another method"),
            Self::NotYet { from } => dated("采集时尚未取得资格", "qualified only from", from),
            Self::Expired { valid_to } => dated("资格已过期", "qualification ended", valid_to),
            Self::InDoubt { published_at, .. } => {
                dated("质评不合格期间采集", "collected during a round failed", published_at)
            }
            Self::Suspended { since } => dated("资格已暂停", "suspended since", since),
            Self::Sanctioned { effective_at } => dated("资格已暂停", "suspended since", effective_at),
            Self::Withdrawn { since } => dated("资格已撤销", "withdrawn since", since),
        }
    }
}

impl Step {
    /// Says it to a person, with its day.
    pub fn text(&self) -> Bilingual {
        let day = day(self.at);
        match &self.event {
            StepEvent::Round { programme, summary } => {
                let (year, round) = (summary.year, summary.round);
                let score = summary.score_percent.map(|score| format!(" {}%", score.normalize())).unwrap_or_default();
                let (zh, en) = match summary.satisfactory {
                    Some(true) => ("合格", "satisfactory"),
                    Some(false) => ("不合格", "not satisfactory"),
                    None => ("不作评价", "not graded"),
                };
                pair(
                    format!("{day} {programme} {year} 年第 {round} 次：{zh}{score}"),
                    format!("{day} {programme}, round {round} of {year}: {en}{score}"),
                )
            }
            StepEvent::Credential { basis, valid_to } => {
                let until = self::day(*valid_to);
                pair(
                    format!("{day} 起凭 {basis} 取得资格，至 {until}"),
                    format!("{day} qualified by {basis} until {until}"),
                )
            }
            StepEvent::Sanction(SanctionAct::Suspend) => pair(format!("{day} 起暂停资格"), format!("{day} suspended")),
            StepEvent::Sanction(SanctionAct::Restore) => pair(format!("{day} 起恢复资格"), format!("{day} restored")),
        }
    }
}

impl Incomparable {
    /// Says it to a doctor.
    pub fn text(&self) -> Bilingual {
        match self {
            Self::UnitMissing => both("未注明单位，不可比", "names no unit, so it does not compare"),
            Self::UnitUnknown => both("单位不可换算，不可比", "no rule converts its unit, so it does not compare"),
            Self::NumberUnreadable => both("结果值无法识别", "its number could not be read"),
            Self::ValueKind => both("结果类型不同，不可比", "its kind of value differs, so it does not compare"),
        }
    }
}

impl Caution {
    /// Says it to a doctor.
    pub fn text(&self) -> Bilingual {
        match self {
            Self::Fasting => both("请确认空腹状态", "mind the fasting state"),
            Self::CycleDay => both("请确认月经周期日", "mind the day of the cycle"),
            Self::Corrected => both("本结果曾更正", "this result was corrected"),
        }
    }
}

fn zero_window(setting: Setting) -> Bilingual {
    match setting {
        Setting::Outpatient => both("该项目门诊不互认", "the item is not recognised for outpatients"),
        Setting::Inpatient => both("该项目住院不互认", "the item is not recognised for inpatients"),
        Setting::Emergency => both("该项目急诊不互认", "the item is not recognised in emergencies"),
    }
}

fn both(zh: &str, en: &str) -> Bilingual {
    pair(zh.to_owned(), en.to_owned())
}

fn pair(zh: String, en: String) -> Bilingual {
    Bilingual { zh, en }
}

/// Writes the day at the moment's own offset, as `2026-03-01`. Source: Howard Hinnant, days to civil date.
fn day(moment: Moment) -> String {
    let shifted = moment.local_day() + DAYS_FROM_YEAR_ZERO;
    let (era, day_of_era) = (shifted.div_euclid(DAYS_OF_ERA), shifted.rem_euclid(DAYS_OF_ERA));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

const MS_PER_HOUR: i64 = 3_600_000;
const DAYS_FROM_YEAR_ZERO: i64 = 719_468;
const DAYS_OF_ERA: i64 = 146_097;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::time::Hours;

    #[test]
    fn days_are_written_at_their_own_offset() {
        let at = |ms, offset| Moment::new(ms, offset).unwrap();
        assert_eq!(day(at(0, 0)), "1970-01-01");
        assert_eq!(day(at(1_709_164_800_000, 0)), "2024-02-29");
        assert_eq!(day(at(1_709_164_800_000 - 1, 480)), "2024-02-29", "23:59:59.999 UTC is the next day in Beijing");
    }

    #[test]
    fn texts_carry_their_facts() {
        let text = Refusal::WindowExpired { window: Hours(24), age_ms: 25 * MS_PER_HOUR }.text();
        assert_eq!((text.zh.as_str(), text.en.as_str()), ("已 25 小时，超出 24 小时时限", "25 h old, window 24 h"));
    }
}
