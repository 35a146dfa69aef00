/**
 * What follows from the configuration and holds no state of its own: routes, what they are wired to,
 * and a listener for each of the CA's servers. It can be made anew while the CA runs; requests that are
 * being answered end with the parts that they began with.
 */

import type { RequestListener } from 'node:http';
import type { Logger } from '#common/runtime/log.ts';
import type { Refusals } from './audit/refusals.ts';
import type { Sealer } from './audit/sealer.ts';
import type { CaConfig } from './config.ts';
import type { Defence } from './defence/defence.ts';
import { createApp } from './http/app.ts';
import { authenticateByCertificate, authenticateLocally, authenticateNobody } from './http/authenticate.ts';
import { scrapeRoute } from './http/metrics.ts';
import { createRoutes } from './http/routes.ts';
import type { Authorities } from './issuance/authorities.ts';
import type { ExternalAddress } from './issuance/external-address.ts';
import { createExternalIssue } from './issuance/external-ca.ts';
import { createIssue } from './issuance/issue.ts';
import { createProfiles } from './issuance/profiles.ts';
import type { Rotation } from './issuance/rotate.ts';
import type { Metrics } from './metrics/metrics.ts';
import { openCfsslClients, type CfsslClients } from './registration/cfssl-clients.ts';
import type { RenewalDemands } from './registration/renewal-demands.ts';
import { withFreshTrust } from './registration/fresh-trust.ts';
import type { RevocationLists } from './revocation/lists.ts';
import type { Ocsp } from './revocation/ocsp.ts';
import { openRevocation } from './revocation/open.ts';
import { createPlacement } from './revocation/placement.ts';
import { makeServerCertificate, type ServerCertificate } from './server-certificate.ts';
import type { Store } from './store/store.ts';
import type { Tracing } from './tracing/tracing.ts';

export interface Wiring {
	readonly config: CaConfig;
	readonly listeners: Readonly<Record<'tls' | 'admin' | 'public' | 'metrics', RequestListener>>;
	readonly lists: RevocationLists;
	readonly ocsp: Ocsp;
	readonly cfsslClients: CfsslClients;
	makeServerCertificate(): Promise<ServerCertificate>;
}

/** What lives as long as the process. */
export interface WiringDeps {
	readonly store: Store;
	readonly authorities: Authorities;
	readonly rotation: Rotation;
	readonly renewalDemands: RenewalDemands;
	/** signs for workloads in place of the authorities */
	readonly external: ExternalAddress | undefined;
	readonly sealer: Sealer;
	readonly defence: Defence;
	readonly refusals: Refusals;
	readonly metrics: Metrics;
	readonly tracing: Tracing | undefined;
	readonly clock: { now(): Date };
	readonly random: (bytes: number) => Uint8Array;
	readonly logger: Logger;
}

/** @throws BirthmarkError `config-invalid` when a file that the configuration names cannot be used */
export async function wire(config: CaConfig, deps: WiringDeps): Promise<Wiring> {
	const { store, authorities, external, defence, refusals, metrics, tracing, clock, random, logger } = deps;
	const { trustDomain, environment, backdateSeconds } = config;
	const domain = { trustDomain, environment, profiles: createProfiles(config.profiles) };
	const place = createPlacement({ store, clock, url: config.publicHttp.url, partitionSize: config.crl.partitionSize });
	const issueHere = createIssue({ authorities, clock, random, backdateSeconds, place });
	const issueUntraced = external ? createExternalIssue({ address: external, issue: issueHere, clock, logger, traceparent: tracing?.tracer.traceparent }) : issueHere;
	const issue: typeof issueUntraced = tracing ? (request) => tracing.tracer.part('issue', () => issueUntraced(request)) : issueUntraced;
	const cfsslClients = openCfsslClients(config.cfssl.clients);
	const { lists, ocsp } = await openRevocation({ ...config, store, authorities, clock, random });

	const routes = createRoutes({ ...config, ...deps, cfsslClients, issue, domain, lists, ocsp, cacheSeconds: config.ocsp.cacheSeconds });
	const appDeps = {
		defence,
		refusals,
		logger,
		observe(answered: Parameters<Metrics['observe']>[0]) {
			metrics.observe(answered);
			tracing?.observe(answered);
		},
		...(tracing && { around: tracing.around }),
	};
	return {
		config,
		listeners: {
			tls: createApp({ ...appDeps, routes, authenticate: authenticateByCertificate({ store, clock, cfsslClients, authorities }) }),
			admin: createApp({ ...appDeps, routes, authenticate: authenticateLocally }),
			public: createApp({ ...appDeps, routes: routes.filter((route) => route.isPublic), authenticate: authenticateNobody }),
			metrics: createApp({ ...appDeps, routes: [scrapeRoute({ metrics })], authenticate: authenticateNobody }),
		},
		lists,
		ocsp,
		cfsslClients,
		makeServerCertificate: withFreshTrust(authorities, () => makeServerCertificate({ store, issue, domain, authorities, names: config.listen.names })),
	};
}
