//! A literal of HCL, and where it stands.

use std::ops::Range;

/// A string of HCL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct HclLiteral<'a> {
    /// Where it is, with its quotes.
    pub range: Range<usize>,
    /// Its text between the quotes; a text with an escape or a template is as it is written.
    pub text: &'a str,
    /// The attribute or the key of an object that it is a value of.
    pub key: &'a str,
    /// The type of the innermost block.
    pub block: &'a str,
    /// Whether a template is in it.
    pub has_template: bool,
    /// Whether it is all of the value, and no part of an expression.
    pub is_alone: bool,
}

/// An attribute whose value is not a string.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct HclExpression<'a> {
    /// The first line of it.
    pub range: Range<usize>,
    /// The text of that.
    pub text: &'a str,
    /// The name of the attribute.
    pub key: &'a str,
    /// The type of the innermost block.
    pub block: &'a str,
}

/// Something that the reader of HCL found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum HclItem<'a> {
    /// A string.
    Literal(HclLiteral<'a>),
    /// The start of another value.
    Expression(HclExpression<'a>),
}
