//! RFC 8628 sections 3.4 and 3.5: when to poll, and what ends it.
mod support;

use support::*;

#[test]
fn an_approval_after_some_polls_brings_the_tokens() {
    let client = client();
    let mut device = Device::with_code(&client);
    device.poll(PENDING).poll(PENDING).poll(TOKENS);
    let tokens = device.next().tokens();
    assert_eq!(tokens.access.expose(), "at-1");
    assert_eq!(tokens.refresh.unwrap().expose(), "rt-1");
    assert_eq!(device.gaps(), [5.5, 5.5, 5.5]);
    assert_eq!(device.prompts.len(), 1);
}
