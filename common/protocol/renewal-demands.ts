/** Renewals on demand, between operator, CA and plugin: docs/adr/0039. */

import type { Identity } from './messages.ts';

/** How long a node's request for renewals on demand may be held: less than half of the time for which the CA keeps a silent connection. */
export const MAX_DEMAND_WAIT_SECONDS = 20;

/** `POST /v1/renewal-demands` (operator): certificates in use are to be renewed now. Exactly one of these. */
export interface RenewalDemandRequest {
	/** of the chain of renewals that this one belongs to, the one in use */
	readonly serial?: string;
	readonly containerId?: string;
	readonly commonName?: string;
	readonly node?: string;
	readonly all?: true;
}
/** Its answer, and that to `GET /v1/renewal-demands/<number>` (operator): how far it has come. */
export interface RenewalDemand {
	readonly number: number;
	readonly renewed: number;
	readonly pending: number;
	/** ended or were revoked without being renewed */
	readonly over: number;
	/** the first of those that were not renewed */
	readonly notRenewed: readonly Identity[];
}
/** `GET /v1/renewal-demands?after=<number>&wait=<seconds>` (node): what its containers are to renew. */
export interface NodeDemands {
	/** of the last demand that this answer knows of: what to ask with next time */
	readonly number: number;
	/** certificates that are to be renewed now */
	readonly demands: ReadonlyArray<{ readonly serial: string; readonly authorizationId: string }>;
}
