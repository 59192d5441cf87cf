//! The critical path: what the build would have been shorter by, had it been quicker.
//!
//! Walked back from the end. The span that ended last is on it. It could not go on before the span that it waited
//! for, which is taken to be the one that ended last before it began; and so on. A blob that is sent while it is made
//! waits for its layer: of that upload, only what came after the layer counts.

use super::record::{Activity, TimeSpan};

/// A part of the critical path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Leg {
    /// The span, by index.
    pub span: usize,
    /// Since when it was what everything waited for, microseconds.
    pub start: u64,
    /// Until when.
    pub end: u64,
}

/// Those that others wait for: not what happens within them.
const fn is_whole(activity: Activity) -> bool {
    match activity {
        Activity::Look
        | Activity::Ask
        | Activity::Plan
        | Activity::Layer
        | Activity::Push
        | Activity::Write
        | Activity::Conclude => true,
        Activity::LookUp
        | Activity::Check
        | Activity::Read
        | Activity::Pull
        | Activity::Body
        | Activity::Request
        | Activity::Verify => false,
    }
}

/// The path, from the beginning.
pub(super) fn path(spans: &[TimeSpan]) -> Vec<Leg> {
    let mut legs: Vec<Leg> = spans
        .iter()
        .enumerate()
        .filter(|(_, span)| is_whole(span.activity))
        .map(|(number, span)| Leg { span: number, start: begins(span, spans), end: span.end })
        .collect();
    // The one to take next is always the last that ends in time: the longest of those that end together.
    legs.sort_by_key(|leg| (leg.end, std::cmp::Reverse(leg.start), leg.span));
    let mut path = Vec::new();
    let mut before = u64::MAX;
    for leg in legs.into_iter().rev() {
        if leg.end <= before && leg.start < leg.end {
            before = leg.start;
            path.push(leg);
        }
    }
    path.reverse();
    path
}

/// When a span had all it needed: at its beginning, except for a blob that is sent while it is built.
fn begins(span: &TimeSpan, spans: &[TimeSpan]) -> u64 {
    if span.activity != Activity::Push || span.sized {
        return span.start;
    }
    let within = |layer: &&TimeSpan| {
        layer.activity == Activity::Layer && layer.end > span.start && layer.end <= span.end
    };
    let layers = || spans.iter().filter(within);
    let own = layers().filter(|layer| layer.name == span.name).map(|layer| layer.end).max();
    // The configuration is begun before the first layer, and waits for the last.
    own.or_else(|| layers().map(|layer| layer.end).max()).unwrap_or(span.start)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(activity: Activity, name: &str, start: u64, end: u64, sized: bool) -> TimeSpan {
        let (name, thread) = (name.to_owned(), String::new());
        TimeSpan { image: None, activity, name, thread, start, end, bytes: 0, sized, outcome: String::new() }
    }

    fn legs(spans: &[TimeSpan]) -> Vec<(String, u64, u64)> {
        path(spans).iter().map(|leg| (spans[leg.span].name.clone(), leg.start, leg.end)).collect()
    }

    fn leg(name: &str, start: u64, end: u64) -> (String, u64, u64) {
        (name.to_owned(), start, end)
    }

    #[test]
    fn an_upload_waits_for_its_layer_and_the_next_layer_does_not() {
        let spans = [
            span(Activity::Plan, "plan", 0, 10, true),
            span(Activity::Layer, "lib", 10, 30, true),
            span(Activity::Push, "lib", 10, 90, false),
            span(Activity::Push, "config", 10, 45, false),
            span(Activity::Layer, "classes", 30, 40, true),
            span(Activity::Body, "classes", 30, 95, true),
            span(Activity::Push, "classes", 30, 50, false),
            span(Activity::Conclude, "registry", 90, 100, true),
        ];
        assert_eq!(
            legs(&spans),
            [leg("plan", 0, 10), leg("lib", 10, 30), leg("lib", 30, 90), leg("registry", 90, 100)]
        );
    }

    #[test]
    fn legs_do_not_overlap_whatever_the_spans_are() {
        let mut state = 7_u64;
        let mut next = move |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) % below
        };
        for _ in 0..200 {
            let kinds = [Activity::Layer, Activity::Push, Activity::Plan];
            let spans: Vec<TimeSpan> = (0..next(20))
                .map(|_| {
                    let start = next(100);
                    let name = next(3).to_string();
                    span(kinds[next(3) as usize], &name, start, start + next(20), next(2) == 0)
                })
                .collect();
            let path = path(&spans);
            assert!(path.windows(2).all(|legs| legs[0].end <= legs[1].start), "{spans:?}");
            assert!(
                path.iter().all(|leg| spans[leg.span].start <= leg.start && leg.end == spans[leg.span].end)
            );
            let last = spans.iter().filter(|span| span.took() > 0).map(|span| span.end).max();
            assert!(path.is_empty() || path.last().map(|leg| leg.end) <= last);
        }
    }
}
