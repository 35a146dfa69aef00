/** `GET /v1/metrics` for operators; and `GET /metrics`, the same for the listener of those who scrape. */

import type { Metrics } from '../metrics/metrics.ts';
import type { Route } from './route.ts';

export interface MetricsRouteDeps {
	readonly metrics: Pick<Metrics, 'text' | 'contentType'>;
}

export function metricsRoute({ metrics }: MetricsRouteDeps): Route {
	return {
		method: 'GET',
		path: '/v1/metrics',
		roles: ['operator'],
		description: {
			summary: 'metrics in the text format of Prometheus',
			answers: { 200: { summary: 'all of them', contentType: 'text/plain; version=0.0.4; charset=utf-8' } },
		},
		handle: async () => ({ status: 200, body: await metrics.text(), contentType: metrics.contentType }),
	};
}

/** Not in the table of routes: it is on a listener of its own, which has nothing else. */
export function scrapeRoute(deps: MetricsRouteDeps): Route {
	return { ...metricsRoute(deps), path: '/metrics', roles: ['anonymous'] };
}
