//! Pages for people.

use crate::{
    Model,
    random::Random,
    wire::{Reply, Request},
};

pub(crate) fn handle(_model: &mut Model, _request: &Request, _origin: &str, _random: &mut Random) -> Option<Reply> {
    None
}
