//! What pages say, in Chinese and English, where more than one page says it.

use crate::domain::fault::Fault;
use crate::wire::pb::Language;

/// One text in both languages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Text {
    zh: &'static str,
    en: &'static str,
}

impl Text {
    /// Pairs a Chinese text with its English one.
    pub const fn new(zh: &'static str, en: &'static str) -> Self {
        Self { zh, en }
    }

    /// Gives the text in a language; Chinese where none is named.
    pub fn to(self, language: Language) -> &'static str {
        match language {
            Language::En => self.en,
            Language::Zh | Language::Unspecified => self.zh,
        }
    }
}

/// Gives the title and the advice of a page that refuses.
pub fn of_fault(fault: Fault) -> (Text, Text) {
    match fault {
        Fault::Missing => (LINK_ENDED, LINK_ENDED_ADVICE),
        Fault::Busy => (AWAY, AWAY_ADVICE),
        Fault::Denied | Fault::Unproven => (DENIED, DENIED_ADVICE),
        Fault::Limited => (TOO_MUCH, TOO_MUCH_ADVICE),
        Fault::BadInput | Fault::Conflict => (NOT_TAKEN, NOT_TAKEN_ADVICE),
        Fault::Broken => (BROKEN, BROKEN_ADVICE),
    }
}

/// What the exchange is, in the bar of every page.
pub const SERVICE: Text = Text::new("检查检验结果互认", "Mutual recognition of results");
/// A capability that has ended or never was.
pub const LINK_ENDED: Text = Text::new("链接已失效", "This link has ended");
const LINK_ENDED_ADVICE: Text =
    Text::new("请回到开单界面或结果列表重新打开。", "Open it again from the order screen or the list of results.");
/// Whoever keeps an original cannot be reached.
pub const AWAY: Text = Text::new("暂时无法取得", "It cannot be had at the moment");
/// What to do then.
pub const AWAY_ADVICE: Text = Text::new(
    "发布医院的前置节点或区域中心暂不可达，数据未丢失；请稍后刷新本页。",
    "The publishing hospital's node or the hub cannot be reached. Nothing is lost; reload this page in a while.",
);
const DENIED: Text = Text::new("无权查看", "Not permitted");
const DENIED_ADVICE: Text =
    Text::new("本机构或本次授权不允许此操作。", "This organisation, or this grant, does not permit it.");
const TOO_MUCH: Text = Text::new("请求过多或内容过大", "Too much at once");
const TOO_MUCH_ADVICE: Text = Text::new(
    "请稍后重试；过大的原件请下载查看。",
    "Try again in a while; fetch large originals instead of viewing them.",
);
const NOT_TAKEN: Text = Text::new("未能受理", "Not taken");
const NOT_TAKEN_ADVICE: Text = Text::new(
    "内容有误或状态已变化，请返回并刷新。",
    "Something in it is wrong or has changed meanwhile. Go back and reload.",
);
const BROKEN: Text = Text::new("系统故障", "The server failed");
const BROKEN_ADVICE: Text = Text::new(
    "已记录故障原因。请照常开单，不必等待。",
    "The reason has been noted. Order as usual; do not wait for it.",
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chinese_is_what_nobody_asked_for() {
        assert_eq!(SERVICE.to(Language::Unspecified), SERVICE.to(Language::Zh));
        assert_ne!(SERVICE.to(Language::En), SERVICE.to(Language::Zh));
    }
}
