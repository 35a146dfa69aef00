/** Tracing as the CA is wired with it: on where the environment names a collector, nothing otherwise. */

import type { IncomingMessage } from 'node:http';
import { errorCode } from '#common/protocol/errors.ts';
import type { Logger } from '#common/runtime/log.ts';
import { startOtlpExporter } from './otlp.ts';
import { readOtelEnvironment } from './otel-environment.ts';
import { createTracer, type Tracer } from './tracer.ts';

export interface Tracing {
	readonly tracer: Tracer;
	/** Runs a request as a span. */
	around(request: Pick<IncomingMessage, 'headers'>, work: () => Promise<void>): Promise<void>;
	/** Says of the request that is being answered what it was. */
	observe(answered: { readonly method: string; readonly route: string; readonly status: number; readonly failure?: unknown }): void;
	stop(): Promise<void>;
}

export interface TracingDeps {
	readonly env: Readonly<Record<string, string | undefined>>;
	readonly logger: Pick<Logger, 'info' | 'warn'>;
	readonly clock: { now(): Date };
}

/**
 * @returns undefined when no collector is named
 * @throws BirthmarkError `config-invalid`
 */
export function startTracing({ env, logger, clock }: TracingDeps): Tracing | undefined {
	const options = readOtelEnvironment(env);
	if (!options) return undefined;
	const exporter = startOtlpExporter({ ...options, logger });
	const tracer = createTracer({ finish: (span) => exporter.add(span), ratio: options.ratio, clock });
	logger.info('traces are sent', { address: new URL(options.url).host });
	return {
		tracer,
		around: ({ headers }, work) => tracer.request(headers['traceparent'], work),
		observe({ method, route, status, failure }) {
			const known = route !== '(none)';
			tracer.annotate({
				name: known ? `${method} ${route}` : 'unknown address',
				attributes: { ...(known && { 'http.request.method': method, 'http.route': route }), 'http.response.status_code': status },
				...(failure !== undefined && { error: errorCode(failure) }),
			});
		},
		stop: () => exporter.stop(),
	};
}
