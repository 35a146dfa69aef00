/**
 * Spans of what the CA does: a request, the calls of the store in it, the making of a certificate.
 * Which span is the parent of which follows from who calls whom.
 */

import { AsyncLocalStorage } from 'node:async_hooks';
import { randomBytes } from 'node:crypto';
import { errorCode } from '#common/protocol/errors.ts';
import { formatTraceparent, parseTraceparent, type TraceContext } from './trace-context.ts';

export type SpanKind = 'internal' | 'server' | 'client';
/** Names from the semantic conventions of OpenTelemetry; never a path, a token or a name of a container. */
export type Attributes = Readonly<Record<string, string | number | boolean>>;

export interface FinishedSpan extends TraceContext {
	readonly parentSpanId?: string;
	readonly name: string;
	readonly kind: SpanKind;
	readonly startedAt: Date;
	readonly durationMs: number;
	readonly attributes: Attributes;
	/** an error's code; `internal` for one that was not expected */
	readonly error?: string;
}

export interface Tracer {
	/** Runs the work of a request. @param traceparent the request's header, if there is one */
	request<T>(traceparent: unknown, work: () => Promise<T>): Promise<T>;
	/** Runs a part of it as a span of its own; outside of a request it just runs. */
	part<T>(name: string, work: () => Promise<T>): Promise<T>;
	/** Says more about the span in which this is called. */
	annotate(span: { readonly name?: string; readonly attributes?: Attributes; readonly error?: string }): void;
	/** What to send along with a call to another service; undefined outside of a request. */
	traceparent(): string | undefined;
}

interface OpenSpan extends TraceContext {
	readonly parentSpanId?: string;
	name: string;
	attributes: Attributes;
	error?: string;
}

export interface TracerDeps {
	readonly finish: (span: FinishedSpan) => void;
	/** of the traces that begin here, how many are kept: 0 to 1 */
	readonly ratio: number;
	readonly clock: { now(): Date };
}

export function createTracer({ finish, ratio, clock }: TracerDeps): Tracer {
	const current = new AsyncLocalStorage<OpenSpan>();
	const run = async <T>(span: OpenSpan, kind: SpanKind, work: () => Promise<T>): Promise<T> => {
		if (!span.isSampled) return current.run(span, work);
		const startedAt = clock.now();
		const begun = performance.now();
		try {
			return await current.run(span, work);
		} catch (error) {
			span.error = errorCode(error);
			throw error;
		} finally {
			finish({ ...span, kind, startedAt, durationMs: performance.now() - begun });
		}
	};
	return {
		request(traceparent, work) {
			const parent = parseTraceparent(traceparent);
			const span: OpenSpan = {
				traceId: parent?.traceId ?? randomBytes(16).toString('hex'),
				spanId: randomBytes(8).toString('hex'),
				...(parent && { parentSpanId: parent.spanId }),
				isSampled: parent?.isSampled ?? Math.random() < ratio,
				name: 'request',
				attributes: {},
			};
			return run(span, 'server', work);
		},
		part(name, work) {
			const parent = current.getStore();
			if (!parent?.isSampled) return work();
			return run({ traceId: parent.traceId, spanId: randomBytes(8).toString('hex'), parentSpanId: parent.spanId, isSampled: true, name, attributes: {} }, 'internal', work);
		},
		annotate({ name, attributes, error }) {
			const span = current.getStore();
			if (!span) return;
			if (name !== undefined) span.name = name;
			if (attributes) span.attributes = { ...span.attributes, ...attributes };
			if (error !== undefined) span.error = error;
		},
		traceparent() {
			const span = current.getStore();
			return span && formatTraceparent(span);
		},
	};
}
