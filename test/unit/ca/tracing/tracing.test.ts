/** Traces of a real CA, sent to a collector that listens. */

import test from 'ava';
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { readOtelEnvironment } from '../../../../ca/tracing/otel-environment.ts';
import { startOtlpExporter } from '../../../../ca/tracing/otlp.ts';
import { createTracer, type FinishedSpan } from '../../../../ca/tracing/tracer.ts';
import { systemClock } from '#common/runtime/clock.ts';
import { BirthmarkError } from '#common/protocol/errors.ts';
import { startCa } from '../../../support/ca.ts';
import { startLowerCa, startUpperCa } from '../../../support/external-ca.ts';

interface OtlpSpan {
	readonly traceId: string;
	readonly spanId: string;
	readonly parentSpanId?: string;
	readonly name: string;
	readonly kind: number;
	readonly startTimeUnixNano: string;
	readonly endTimeUnixNano: string;
	readonly attributes: readonly { readonly key: string; readonly value: Record<string, unknown> }[];
	readonly status: { readonly code?: number };
}

/** A collector that keeps what it gets. */
async function startCollector(t: { teardown(clean: () => unknown): void }, status = 200) {
	const spans: OtlpSpan[] = [];
	const headers: IncomingHttpHeaders[] = [];
	const paths: string[] = [];
	const server = createServer(async (request, response) => {
		const body = JSON.parse(Buffer.concat(await request.toArray() as Buffer[]).toString()) as { resourceSpans: { scopeSpans: { spans: OtlpSpan[] }[] }[] };
		spans.push(...body.resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap((scope) => scope.spans)));
		headers.push(request.headers);
		paths.push(request.url!);
		response.writeHead(status, { 'content-type': 'application/json' }).end('{}');
	});
	server.listen(0, '127.0.0.1');
	await once(server, 'listening');
	t.teardown(() => {
		server.closeAllConnections();
		server.close();
	});
	return { spans, headers, paths, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

test('a request is a trace: the caller\'s, with what the store did in it, and without a secret', async (t) => {
	const collector = await startCollector(t);
	const ca = await startCa(t, { env: { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url, OTEL_EXPORTER_OTLP_HEADERS: 'Authorization=Bearer%20hunter2' } });
	const node = await ca.join('host1');
	const web = await ca.enrol(node, 'web01', 'web');
	const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
	await ca.request('GET', '/v1/identities', { credentials: node, headers: { traceparent: `00-${traceId}-00f067aa0ba902b7-01` } });
	await ca.request('GET', '/v1/whoami', { credentials: node, headers: { traceparent: `00-${'ab'.repeat(16)}-00f067aa0ba902b7-00` } });
	await ca.request('PUT', `/v1/sign/${web.token}`, { body: 'nonsense' });
	await ca.close();

	t.is(collector.paths[0], '/v1/traces');
	t.is(collector.headers[0]?.authorization, 'Bearer hunter2');
	const ours = collector.spans.filter((span) => span.traceId === traceId);
	const [root] = ours.filter(({ kind }) => kind === 2);
	t.like(root, { name: 'GET /v1/identities', parentSpanId: '00f067aa0ba902b7' });
	t.deepEqual(Object.fromEntries(root!.attributes.map(({ key, value }) => [key, Object.values(value)[0]])), {
		'http.request.method': 'GET', 'http.route': '/v1/identities', 'http.response.status_code': '200',
	});
	t.true(BigInt(root!.endTimeUnixNano) > BigInt(root!.startTimeUnixNano));
	const inner = ours.filter(({ parentSpanId }) => parentSpanId === root!.spanId).map(({ name }) => name);
	t.true(inner.includes('store findCertificate') && inner.some((name) => name.startsWith('store listIdentities')), inner.join());
	// Whoever began it does not keep this one.
	t.false(collector.spans.some((span) => span.traceId === 'ab'.repeat(16)));

	const signing = collector.spans.find(({ name }) => name === 'POST /v1/sign')!;
	const parts = collector.spans.filter(({ parentSpanId }) => parentSpanId === signing.spanId).map(({ name }) => name);
	t.true(parts.includes('issue') && parts.includes('store redeemToken'), parts.join());
	const refused = collector.spans.find(({ name }) => name === 'PUT /v1/sign/:token')!;
	t.is(refused.status.code, 2);
	t.notRegex(JSON.stringify(collector.spans), /BMK|web01|hunter2/);
	t.false(JSON.stringify(collector.spans).includes(web.token.slice(-25)));
});

test('a trace goes on in the external CA that signs', async (t) => {
	const collector = await startCollector(t);
	const env = (name: string) => ({ env: { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url, OTEL_SERVICE_NAME: name } });
	const upper = await startUpperCa(t, ['*/*'], env('upper'));
	const ca = await startLowerCa(t, `protocol=cfssl,url=${upper.signUrl},${upper.files}`, env('lower'));
	await ca.enrol(await ca.join('host1'), 'web01', 'web');
	await ca.close();
	await upper.close();
	const below = collector.spans.find(({ name }) => name === 'POST /v1/sign')!;
	const above = collector.spans.find(({ name }) => name === 'POST /api/v1/cfssl/sign')!;
	t.is(above.traceId, below.traceId);
	const issue = collector.spans.find(({ spanId }) => spanId === above.parentSpanId);
	t.like(issue, { name: 'issue', parentSpanId: below.spanId });
});

test('parts know their request, also when many run at once', async (t) => {
	const spans: FinishedSpan[] = [];
	const tracer = createTracer({ finish: (span) => void spans.push(span), ratio: 1, clock: systemClock });
	await Promise.all(Array.from({ length: 20 }, (_, index) => tracer.request(undefined, async () => {
		tracer.annotate({ name: `request ${index}` });
		await tracer.part(`part ${index}`, async () => {
			await new Promise(setImmediate);
			await tracer.part(`inner ${index}`, () => new Promise(setImmediate));
		});
	})));
	for (let index = 0; index < 20; index++) {
		const [request, part, inner] = ['request', 'part', 'inner'].map((name) => spans.find((span) => span.name === `${name} ${index}`)!);
		t.is(part!.parentSpanId, request!.spanId);
		t.is(inner!.parentSpanId, part!.spanId);
		t.is(inner!.traceId, request!.traceId);
	}
	t.is(tracer.traceparent(), undefined);
	await tracer.part('outside', async () => undefined);
	t.is(spans.length, 60);
});

test('a failure is told by its code, and goes on', async (t) => {
	const spans: FinishedSpan[] = [];
	const tracer = createTracer({ finish: (span) => void spans.push(span), ratio: 1, clock: systemClock });
	await t.throwsAsync(tracer.request(undefined, () => tracer.part('store', () => Promise.reject(new BirthmarkError('ca-unavailable')))), { message: /could not be reached/ });
	t.deepEqual(spans.map(({ error }) => error), ['ca-unavailable', 'ca-unavailable']);
});

const SPAN: FinishedSpan = { traceId: 'a'.repeat(32), spanId: 'b'.repeat(16), isSampled: true, name: 'x', kind: 'internal', startedAt: new Date(), durationMs: 1, attributes: {} };

test('a collector that is away costs spans and nothing else, and is complained about once', async (t) => {
	const warnings: unknown[] = [];
	const exporter = startOtlpExporter({ url: 'http://127.0.0.1:1/v1/traces', headers: {}, serviceName: 'x', logger: { warn: (...words) => void warnings.push(words) } });
	for (let count = 0; count < 10_000; count++) exporter.add(SPAN);
	await t.notThrowsAsync(exporter.stop());
	t.is(warnings.length, 1);
});

test('one that refuses is not asked for ever', async (t) => {
	const collector = await startCollector(t, 503);
	const warnings: unknown[] = [];
	const exporter = startOtlpExporter({ url: `${collector.url}/v1/traces`, headers: {}, serviceName: 'x', logger: { warn: (...words) => void warnings.push(words) } });
	exporter.add(SPAN);
	await exporter.stop();
	t.is(collector.paths.length, 1);
	t.is(warnings.length, 1);
});

test('the environment says where traces go, or that there are none', (t) => {
	t.is(readOtelEnvironment({}), undefined);
	t.is(readOtelEnvironment({ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://c:4318', OTEL_SDK_DISABLED: 'true' }), undefined);
	t.deepEqual(readOtelEnvironment({ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://c:4318/' }), { url: 'http://c:4318/v1/traces', headers: {}, serviceName: 'birthmark-ca', ratio: 1 });
	t.like(readOtelEnvironment({ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'https://c/x', OTEL_TRACES_SAMPLER_ARG: '0.1', OTEL_SERVICE_NAME: 'ca-1', OTEL_EXPORTER_OTLP_HEADERS: 'a=b%2C, c = d' }), {
		url: 'https://c/x', ratio: 0.1, serviceName: 'ca-1', headers: { a: 'b,', c: 'd' },
	});
	for (const env of [{ OTEL_EXPORTER_OTLP_ENDPOINT: 'collector:4318' }, { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://c', OTEL_TRACES_SAMPLER_ARG: '2' }, { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://c', OTEL_EXPORTER_OTLP_HEADERS: 'secret' }]) {
		const error = t.throws(() => readOtelEnvironment(env), { instanceOf: BirthmarkError });
		t.is(error?.code, 'config-invalid');
		t.notRegex(error?.message ?? '', /secret/);
	}
});
