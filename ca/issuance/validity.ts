/** From when to when a certificate holds: whole seconds, backdated, within the life of its issuer (RFC 5280 §4.1.2.5, §6.1). */

export interface Validity {
	readonly notBefore: Date;
	readonly notAfter: Date;
}

/** @param issuer absent for a root */
export function validity(now: Date, lifetimeSeconds: number, backdateSeconds: number, issuer?: Validity): Validity {
	const start = Math.floor(now.getTime() / 1000);
	// With a clock that was set back to before the issuer began, what begins now is still the best there is.
	const earliest = Math.min(start, issuer ? Math.ceil(issuer.notBefore.getTime() / 1000) : -Infinity);
	const latest = issuer ? Math.floor(issuer.notAfter.getTime() / 1000) : Infinity;
	return {
		notBefore: new Date(Math.max(start - backdateSeconds, earliest) * 1000),
		notAfter: new Date(Math.min(Math.floor(start + lifetimeSeconds), latest) * 1000),
	};
}
