/**
 * The environment variables that every program with OpenTelemetry knows
 * (https://opentelemetry.io/docs/specs/otel/protocol/exporter/, …/configuration/sdk-environment-variables/),
 * as far as they are about where traces go.
 */

import { BirthmarkError } from '#common/protocol/errors.ts';

export interface TracingOptions {
	/** where traces are posted to */
	readonly url: string;
	readonly headers: Readonly<Record<string, string>>;
	readonly serviceName: string;
	/** of the traces that begin here, how many are kept: 0 to 1 */
	readonly ratio: number;
}

/**
 * @returns undefined when no endpoint is named: then nothing is traced
 * @throws BirthmarkError `config-invalid`
 */
export function readOtelEnvironment(env: Readonly<Record<string, string | undefined>>): TracingOptions | undefined {
	const base = env['OTEL_EXPORTER_OTLP_ENDPOINT'] || undefined;
	const exact = env['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT'] || undefined;
	if (env['OTEL_SDK_DISABLED']?.toLowerCase() === 'true' || (base === undefined && exact === undefined)) return undefined;
	const ratio = Number(env['OTEL_TRACES_SAMPLER_ARG'] || 1);
	if (!(ratio >= 0 && ratio <= 1)) throw new BirthmarkError('config-invalid', 'OTEL_TRACES_SAMPLER_ARG is not a number from 0 to 1');
	return {
		url: exact === undefined ? httpUrl(`${base!.replace(/\/$/, '')}/v1/traces`, 'OTEL_EXPORTER_OTLP_ENDPOINT') : httpUrl(exact, 'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT'),
		headers: readHeaders(env['OTEL_EXPORTER_OTLP_TRACES_HEADERS'] || env['OTEL_EXPORTER_OTLP_HEADERS'] || ''),
		serviceName: env['OTEL_SERVICE_NAME'] || 'birthmark-ca',
		ratio,
	};
}

function httpUrl(text: string, variable: string): string {
	const url = URL.parse(text);
	if (!url || !['http:', 'https:'].includes(url.protocol)) throw new BirthmarkError('config-invalid', `${variable} is not an http or https URL`);
	return url.href;
}

/** `name=value,name=value`, the values as in a URL (W3C Baggage). They may hold a secret, so no message repeats them. */
function readHeaders(text: string): Record<string, string> {
	const fault = () => new BirthmarkError('config-invalid', 'OTEL_EXPORTER_OTLP_HEADERS is not of the form name=value,name=value');
	return Object.fromEntries(text.split(',').filter((item) => item.trim() !== '').map((item) => {
		const [, name, value] = /^\s*([A-Za-z0-9-]+)\s*=\s*([^\r\n]*?)\s*$/.exec(item) ?? [];
		if (name === undefined) throw fault();
		try {
			return [name.toLowerCase(), decodeURIComponent(value!)];
		} catch {
			throw fault();
		}
	}));
}
