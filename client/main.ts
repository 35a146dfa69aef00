/** The library for programs in containers with an identity, `birthmark/client`: what it offers. */

export { BirthmarkError, type ErrorCode } from '#common/protocol/errors.ts';
export type { Identity } from './identity.ts';
export type { PeerMatcher } from './matcher.ts';
export type { Party } from './party.ts';
export { allow, guarded, peerIdentity, type PeerSource } from './peer.ts';
export { identity, type IdentityOptions, type IdentityWatch } from './watch.ts';
