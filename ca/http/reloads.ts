/** `POST /v1/reloads`: what became of the caller's certificate with the application that is to serve it. */

import { BirthmarkError } from '#common/protocol/errors.ts';
import type { Logger } from '#common/runtime/log.ts';
import type { Metrics } from '../metrics/metrics.ts';
import type { Store } from '../store/store.ts';
import type { Route } from './route.ts';
import { reloadSchema } from './schemas.ts';

export interface ReloadsRouteDeps {
	readonly store: Pick<Store, 'putReload'>;
	readonly metrics: Pick<Metrics, 'countReload'>;
	readonly clock: { now(): Date };
	readonly logger: Logger;
}

export function reloadsRoute({ store, metrics, clock, logger }: ReloadsRouteDeps): Route {
	return {
		method: 'POST',
		path: '/v1/reloads',
		roles: ['workload'],
		description: {
			summary: 'tells what became of the certificate that it comes with: whether the application serves it',
			body: { schema: reloadSchema },
			answers: { 204: { summary: 'it is known now' } },
		},
		async handle(request) {
			const { certificate } = request.caller;
			if (!certificate) throw new BirthmarkError('unauthenticated', 'only the holder of a certificate can say what became of it');
			const report = await request.json(reloadSchema);
			await store.putReload(certificate, report, clock.now());
			metrics.countReload(report.outcome);
			const { commonName, serial } = certificate;
			const isGood = report.outcome === 'verified' || report.outcome === 'unchecked';
			logger[isGood ? 'info' : 'warn']('reload reported', { commonName, serial, reason: report.outcome, count: report.attempts });
			return { status: 204 };
		},
	};
}
