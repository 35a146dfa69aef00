/** The `traceparent` header of W3C Trace Context (https://www.w3.org/TR/trace-context/ §3.2), version 00. */

export interface TraceContext {
	/** 32 hexadecimal digits, not all zero */
	readonly traceId: string;
	/** 16 of them */
	readonly spanId: string;
	/** whether whoever began the trace keeps it */
	readonly isSampled: boolean;
}

const TRACEPARENT = /^(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;

/** @returns undefined for what is not understood: the trace then begins here (§4.3) */
export function parseTraceparent(header: unknown): TraceContext | undefined {
	if (typeof header !== 'string' || header.length > 512) return undefined;
	const match = TRACEPARENT.exec(header);
	if (!match) return undefined;
	const [, version, traceId, spanId, flags, more] = match;
	// Later versions may append, this one may not.
	if (version === '00' && more !== undefined) return undefined;
	return { traceId: traceId!, spanId: spanId!, isSampled: (Number.parseInt(flags!, 16) & 1) === 1 };
}

export function formatTraceparent({ traceId, spanId, isSampled }: TraceContext): string {
	return `00-${traceId}-${spanId}-${isSampled ? '01' : '00'}`;
}
