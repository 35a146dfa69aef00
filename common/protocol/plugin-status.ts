/**
 * What the plugin says of itself: the `Status` of the sentinel volume, shown by
 * `docker volume inspect birthmark-sentinel` and read by `birthmark doctor`. Nothing in it is secret.
 */

/** Exists as long as the plugin is enabled: the engine refuses to disable a driver that has volumes, unless forced. */
export const SENTINEL_VOLUME = 'birthmark-sentinel';

export interface PluginStatus {
	readonly version: string;
	/** the engine has finished starting the plugin; before that, to disable it takes the engine ten seconds and more */
	readonly seen: boolean;
	/** does the engine ask the plugin before it acts; null while that cannot be known */
	readonly inChain: boolean | null;
	/** "what is wrong; what to do", when `inChain` is false for another reason than that the engine does not ask */
	readonly enforcementProblem?: string;
	readonly joined: boolean;
	readonly node: string | null;
	/** RFC 3339 */
	readonly nodeCertificateExpires: string | null;
	/** SHA-256 of the trust bundle in use, hexadecimal */
	readonly bundleDigest: string | null;
	/** `reachable`, or the code and sentence of the last failure */
	readonly ca: string;
	/** this host's clock minus the CA's, seconds; null while unknown */
	readonly clockSkewSeconds: number | null;
	/** revocations that the CA has not taken yet */
	readonly pendingRevocations: number;
	/** `none`, the SHA-256 of the file in force in hexadecimal, or what is wrong with it; null before the first look */
	readonly policy: string | null;
	/** `ok`, or why a tmpfs cannot be mounted */
	readonly tmpfs: string;
	/** the tmpfs of identities stay out of the swap (Linux 6.4) */
	readonly noswap: boolean;
}
