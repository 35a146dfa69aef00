/** `POST /v1/bundle/acknowledge`: the caller trusts the bundle of this digest now, which a rotation waits for. */

import { BirthmarkError } from '#common/protocol/errors.ts';
import type { AcknowledgeAnswer } from '#common/protocol/messages.ts';
import type { Authorities } from '../issuance/authorities.ts';
import type { Store } from '../store/store.ts';
import { acknowledgeAnswer } from './answers.ts';
import type { Route } from './route.ts';
import { acknowledgeSchema } from './schemas.ts';

export interface BundleRouteDeps {
	readonly store: Pick<Store, 'acknowledgeBundle' | 'isRenewalDemanded'>;
	readonly authorities: Pick<Authorities, 'current' | 'refresh'>;
	readonly clock: { now(): Date };
}

export function bundleRoute({ store, authorities, clock }: BundleRouteDeps): Route {
	return {
		method: 'POST',
		path: '/v1/bundle/acknowledge',
		roles: ['workload', 'node', 'operator'],
		description: {
			summary: 'tells that a trust bundle is in use, and asks what is',
			body: { schema: acknowledgeSchema },
			answers: { 200: { summary: 'the digest of the present bundle, and whether to renew soon', schema: acknowledgeAnswer } },
		},
		async handle(request) {
			const { certificate } = request.caller;
			if (!certificate) throw new BirthmarkError('unauthenticated', 'only the holder of a certificate trusts anything, and the admin socket has none');
			const { digest } = await request.json(acknowledgeSchema);
			// Another instance may have published it just now.
			if (!authorities.current().bundles.has(digest)) await authorities.refresh();
			const { active, bundles, digest: current } = authorities.current();
			// Of no use to anybody: a bundle that was never one of this CA, or leads nowhere any more.
			if (bundles.has(digest)) await store.acknowledgeBundle(certificate.chain, Buffer.from(digest, 'hex'), clock.now());
			// What an external CA has signed brings its own intermediates, and comes and goes with none of ours.
			const isOfOldIssuer = certificate.intermediates === undefined && certificate.issuerGeneration !== active.generation;
			// Who is in no container of a node, or cannot be told by it, hears of a demand here.
			const renew = isOfOldIssuer || (await store.isRenewalDemanded(certificate.serial));
			const answer: AcknowledgeAnswer = { digest: current.toString('hex'), renew };
			return { status: 200, json: answer };
		},
	};
}
