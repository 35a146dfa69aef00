/** From when to when a certificate holds: whole seconds, backdated, never longer than its issuer (RFC 5280 §4.1.2.5, §6.1). */

export interface Validity {
	readonly notBefore: Date;
	readonly notAfter: Date;
}

/** @param latest the issuer's own end */
export function validity(now: Date, lifetimeSeconds: number, backdateSeconds: number, latest?: Date): Validity {
	const start = Math.floor(now.getTime() / 1000);
	const end = Math.floor(start + lifetimeSeconds);
	const limit = latest ? Math.floor(latest.getTime() / 1000) : Infinity;
	return { notBefore: new Date((start - backdateSeconds) * 1000), notAfter: new Date(Math.min(end, limit) * 1000) };
}
