//! What the pages of results say.

use crate::doors::http::pages::texts::Text;

pub(super) const TITLE: Text = Text::new("检验检查报告", "Report");
pub(super) const WITHDRAWN: Text = Text::new("已撤回", "Withdrawn");
pub(super) const WITHDRAWN_ADVICE: Text =
    Text::new("发布医院已撤回此结果，请勿互认。", "The publisher has withdrawn this result. Do not rely on it.");
pub(super) const CORRECTED_ADVICE: Text =
    Text::new("此结果为更正后的版本，先前版本已失效。", "This version replaces an earlier one.");
pub(super) const PRELIMINARY: Text = Text::new("初步报告", "Preliminary");
pub(super) const PRELIMINARY_ADVICE: Text =
    Text::new("尚未审核，不能作为互认依据。", "Not verified yet; it may not be recognised.");
pub(super) const NEWER: Text = Text::new("已有更正版本", "A later version exists");
pub(super) const NEWER_ADVICE: Text = Text::new("请以新版本为准：", "Rely on the later version:");
pub(super) const SUPERSEDED_ADVICE: Text = Text::new(
    "此版本已失效，仅供查阅，请勿再依据它。",
    "This version is no longer in force; read it, and do not rely on it.",
);
pub(super) const UNLISTED: Text = Text::new("请核实", "Verify");
pub(super) const UNLISTED_ADVICE: Text = Text::new(
    "发布医院当前的索引中查不到此结果，可能已撤回。互认前请与发布医院核实。",
    "The publisher's current index does not list this result; it may have been withdrawn. Ask the publisher before relying on it.",
);
pub(super) const VERSION: Text = Text::new("版本", "Version");
pub(super) const INSTRUMENT: Text = Text::new("仪器", "Instrument");
pub(super) const LOINC: Text = Text::new("LOINC", "LOINC");
pub(super) const LOCAL: Text = Text::new("本院代码", "Publisher's code");
pub(super) const LOG: Text = Text::new("日志位置", "Place in the log");
pub(super) const SAME_REPORT: Text = Text::new("同一份报告", "The same report");
pub(super) const ITEM: Text = Text::new("项目", "Item");
pub(super) const TIME: Text = Text::new("采集时间", "Collected");
pub(super) const VALUE: Text = Text::new("结果", "Value");
pub(super) const FLAG: Text = Text::new("提示", "Flag");
pub(super) const PUBLISHER: Text = Text::new("发布医院", "Hospital");
pub(super) const TREND: Text = Text::new("一年内可比结果", "Comparable results of a year");
pub(super) const NO_TREND: Text =
    Text::new("一年内没有其他可比的外院结果。", "No other hospital's result of the year compares.");
pub(super) const TREND_AWAY: Text =
    Text::new("暂时无法取得其他结果；刷新可重试。", "Other results cannot be had at the moment; reload to try again.");
pub(super) const ORIGINALS: Text = Text::new("原件", "Originals");
pub(super) const ORIGINALS_ADVICE: Text = Text::new(
    "原件由发布医院保存，打开时现取，并与已签名的摘要核对。",
    "Originals stay with their publisher. They are brought when opened, and checked against the signed digest.",
);
pub(super) const SHOW: Text = Text::new("查看", "Show");
pub(super) const DOWNLOAD: Text = Text::new("下载", "Download");
pub(super) const IMAGES: Text = Text::new("打开影像", "Open the images");
pub(super) const SERIES: Text = Text::new("序列", "Series");
pub(super) const INSTANCES: Text = Text::new("图像数", "Images");
pub(super) const MODALITY: Text = Text::new("设备类型", "Modality");
pub(super) const SLICE: Text = Text::new("层厚 (mm)", "Slice (mm)");
pub(super) const DESCRIPTION: Text = Text::new("描述", "Description");
