//! An event in the form that a receiver wants: headers and a body.

mod cdevents;
mod cloudevents;
mod message;
mod object;
mod registry;

pub use message::message;

#[cfg(test)]
mod tests;
