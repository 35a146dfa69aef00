/**
 * The one error type of the project and the one list of its codes.
 *
 * A code is stable: programs and operators match on it, `docs/errors.md` explains it. An error
 * knows nothing of HTTP or of the engine; the edges translate (`ca/http/problem.ts`,
 * `plugin/refusal.ts`, the exit codes of the agent and the CLI).
 */

/** Every code, with the sentence that tells an operator what it means. Keep in the order of docs/errors.md. */
export const ERROR_CODES = {
	// requests
	'request-malformed': 'the request could not be understood',
	'request-too-large': 'the request is larger than the limit',
	'not-found': 'there is nothing at this address',
	'method-not-allowed': 'this address does not take that method',
	'unauthenticated': 'the caller did not prove who it is',
	'forbidden': 'the caller may not do this',
	'source-shut-out': 'too many bad requests came from here; it is not heard for a while',
	// tokens
	'token-malformed': 'the token does not follow the grammar BMKTKN-1-<digest>-<secret> or BMKJOIN-1-<digest>-<secret>',
	'token-unknown': 'the CA never issued this token, or has forgotten it',
	'token-used': 'the token was already redeemed with another key',
	'token-expired': 'the token is past its time',
	'token-wrong-name': 'the token belongs to another name',
	'token-invalid': 'the signature or a claim of a token that a user signed does not hold',
	// certificate signing requests
	'csr-malformed': 'the certificate signing request is not one PEM or DER PKCS#10 structure',
	'csr-signature-invalid': 'the certificate signing request is not signed by the key it carries',
	'csr-key-weak': 'the key is too weak',
	'csr-key-unsupported': 'the key type or curve is not accepted',
	'csr-key-reused': 'the key was certified before; a renewal needs a fresh one',
	'csr-key-compromised': 'the key was revoked as compromised and is never certified again',
	// names and labels
	'name-illegal': 'the name breaks the rules for common names',
	'name-not-allowed': 'no rule allows this name on this node',
	'label-illegal': 'a birthmark.* label has a value that is not accepted',
	'label-unknown': 'a birthmark.* label that does not exist',
	'authorization-unknown': 'the CA has no authorization with this id for this node',
	'authorization-ended': 'the container of this authorization is gone',
	'authorization-conflict': 'this container is already authorized under other names',
	// trust
	'bundle-digest-mismatch': 'the trust bundle is not the one whose digest the token carries',
	'certificate-invalid': 'the certificate that came back is not usable with this key and trust bundle',
	'certificate-revoked': 'the certificate was revoked',
	'certificate-unknown': 'the CA knows no such certificate',
	'clock-skew': 'this clock and that of the CA are too far apart',
	// the CA and its state
	'ca-unavailable': 'the CA could not be reached',
	'ca-protocol': 'the CA answered something that this version does not understand',
	'ca-exists': 'there is already a CA in this folder',
	'ca-missing': 'there is no CA in this folder',
	'backup-damaged': 'the file is no backup of a CA, or a damaged one',
	'rotation-stage': 'the rotation of the CA is not at a stage for this',
	'rotation-waits': 'not everybody is ready for this step of the rotation',
	'root-key-missing': 'the key of the root is not with the CA',
	'node-exists': 'a node of this name has joined already',
	'node-unknown': 'the CA knows no node of this name',
	'user-exists': 'there is already a user of this name',
	'user-unknown': 'the CA knows no user of this name',
	'upstream-unavailable': 'the external CA could not be reached',
	'upstream-refused': 'the external CA refused to sign, or sent something else than what was asked for',
	// the container's side
	'directory-not-tmpfs': 'the identity directory is not a tmpfs',
	'directory-full': 'the identity directory is full',
	'directory-unusable': 'the identity directory cannot be used',
	'identity-expired': 'the identity has expired',
	'identity-missing': 'there is no identity here yet',
	'token-missing': 'there is no token in the identity directory',
	'application-not-started': 'the application could not be started',
	// the engine's side
	'engine-request-unseen': 'the engine did not show the plugin the body of this request',
	'engine-request-ambiguous': 'the request can be read in more than one way',
	'engine-unavailable': 'the engine could not be reached',
	'enforcement-missing': 'the engine does not ask the plugin before it acts',
	'identity-isolated': 'the request would reach into the identity of a container',
	'mount-missing': 'a labelled container without the volume that carries its identity',
	'label-missing': 'a mount of the birthmark driver without the label birthmark.cn',
	'mount-illegal': 'a mount of the birthmark driver that is not accepted',
	'container-too-powerful': 'a container with these privileges gets no identity',
	'image-changed': 'the container does not have the image that was decided on',
	'sentinel-needed': 'the sentinel volume stays as long as the plugin is in the authorization chain',
	'upgrade-running': 'the plugin of this host is being replaced',
	'upgrade-failed': 'the plugin could not be replaced',
	'setup-failed': 'the engine could not be set up',
	'policy-refused': 'the policy of this host does not permit this',
	'policy-invalid': 'the policy of this host has a fault',
	'volume-unknown': 'no container was authorized for this volume',
	'mount-failed': 'the tmpfs for the identity could not be mounted',
	'node-not-joined': 'the plugin has not joined a CA yet',
	'plugin-unavailable': 'the runtime of the engine could not reach the plugin',
	// configuration and the rest
	'config-invalid': 'the configuration has faults',
	'usage': 'the command line was not understood',
	'internal': 'something went wrong that the program did not expect',
} as const;

export type ErrorCode = keyof typeof ERROR_CODES;

/** An expected failure: `code` for programs, `message` for people (what is wrong and what to do; never a secret). */
export class BirthmarkError extends Error {
	readonly code: ErrorCode;

	/**
	 * @param code one of {@link ERROR_CODES}
	 * @param message a sentence of its own; the code's general sentence when left out
	 */
	constructor(code: ErrorCode, message?: string, options?: { cause?: unknown }) {
		super(message ?? ERROR_CODES[code], options);
		this.name = 'BirthmarkError';
		this.code = code;
	}
}

/** True for a string that is one of the stable codes. */
export function isErrorCode(value: unknown): value is ErrorCode {
	return typeof value === 'string' && Object.hasOwn(ERROR_CODES, value);
}

/** The code of an expected failure, `internal` for everything else. */
export function errorCode(error: unknown): ErrorCode {
	return error instanceof BirthmarkError ? error.code : 'internal';
}
