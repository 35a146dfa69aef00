/**
 * Sends spans to a collector by OTLP over HTTP, encoded as JSON
 * (https://opentelemetry.io/docs/specs/otlp/, opentelemetry/proto/trace/v1/trace.proto). Traces are for
 * looking into; nothing waits for them, and what cannot be sent is dropped and counted.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import { VERSION } from '#common/protocol/version.ts';
import type { Logger } from '#common/runtime/log.ts';
import type { Attributes, FinishedSpan, SpanKind } from './tracer.ts';

const QUEUE_LIMIT = 4096;
const BATCH_LIMIT = 512;
const INTERVAL_MS = 2000;
const TIMEOUT_MS = 5000;
/** How long a CA that stops waits for a collector that is slow: less than it is given itself. */
const STOP_MS = 2000;
/** A collector that is away is said so once in a while, not for every batch. */
const COMPLAIN_MS = 60_000;
/** SpanKind and StatusCode of the protocol. */
const KINDS: Readonly<Record<SpanKind, number>> = { internal: 1, server: 2, client: 3 };
const STATUS_ERROR = 2;

export interface OtlpOptions {
	/** where traces are posted to */
	readonly url: string;
	readonly headers: Readonly<Record<string, string>>;
	readonly serviceName: string;
	readonly logger: Pick<Logger, 'warn'>;
}

export interface SpanExporter {
	/** Never waits, never fails. */
	add(span: FinishedSpan): void;
	/** Sends what waits, as far as the collector takes it soon, and sends no more afterwards. */
	stop(): Promise<void>;
}

export function startOtlpExporter({ url, headers, serviceName, logger }: OtlpOptions): SpanExporter {
	let queue: FinishedSpan[] = [];
	let dropped = 0;
	let complainedAt = -Infinity;
	let sending: Promise<void> | undefined;

	const post = async (spans: readonly FinishedSpan[]): Promise<void> => {
		const body = JSON.stringify(encodeSpans(spans, serviceName));
		const answer = await fetch(url, { method: 'POST', headers: { ...headers, 'content-type': 'application/json' }, body, redirect: 'error', signal: AbortSignal.timeout(TIMEOUT_MS) });
		await answer.body?.cancel();
		if (!answer.ok) throw new Error(`the collector answered ${answer.status}`);
	};
	const complain = (error?: unknown): void => {
		if (performance.now() - complainedAt < COMPLAIN_MS) return;
		complainedAt = performance.now();
		logger.warn('traces are being dropped', { count: dropped, ...(error !== undefined && { error }) });
		dropped = 0;
	};
	const sendAll = async (): Promise<void> => {
		while (queue.length > 0) {
			const batch = queue.slice(0, BATCH_LIMIT);
			queue = queue.slice(BATCH_LIMIT);
			try {
				await post(batch);
			} catch (error) {
				dropped += batch.length;
				complain(error);
				// The rest waits for the next time.
				return;
			}
		}
	};
	const flush = (): Promise<void> => (sending ??= sendAll().finally(() => (sending = undefined)));
	const timer = setInterval(() => void flush(), INTERVAL_MS);
	timer.unref();
	return {
		add(span) {
			if (queue.length < QUEUE_LIMIT) {
				queue.push(span);
			} else {
				dropped++;
				complain();
			}
		},
		async stop() {
			clearInterval(timer);
			await Promise.race([flush(), sleep(STOP_MS, undefined, { ref: false })]);
		},
	};
}

/** ExportTraceServiceRequest; ids are hexadecimal in this encoding, and 64-bit numbers are strings. */
export function encodeSpans(spans: readonly FinishedSpan[], serviceName: string): object {
	return {
		resourceSpans: [{
			resource: { attributes: encodeAttributes({ 'service.name': serviceName, 'service.version': VERSION }) },
			scopeSpans: [{ scope: { name: 'birthmark', version: VERSION }, spans: spans.map(encodeSpan) }],
		}],
	};
}

function encodeSpan({ traceId, spanId, parentSpanId, name, kind, startedAt, durationMs, attributes, error }: FinishedSpan): object {
	const start = BigInt(startedAt.getTime()) * 1_000_000n;
	return {
		traceId,
		spanId,
		...(parentSpanId !== undefined && { parentSpanId }),
		name,
		kind: KINDS[kind],
		startTimeUnixNano: String(start),
		endTimeUnixNano: String(start + BigInt(Math.round(durationMs * 1e6))),
		attributes: encodeAttributes({ ...attributes, ...(error !== undefined && { 'error.type': error }) }),
		status: error === undefined ? {} : { code: STATUS_ERROR, message: error },
	};
}

function encodeAttributes(attributes: Attributes): object[] {
	return Object.entries(attributes).map(([key, value]) => ({
		key,
		value: typeof value === 'string' ? { stringValue: value } : typeof value === 'boolean' ? { boolValue: value } : Number.isInteger(value) ? { intValue: String(value) } : { doubleValue: value },
	}));
}
