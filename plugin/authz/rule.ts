/** What a rule of the authorization is, and what rules may use. */

import type { Logger } from '#common/runtime/log.ts';
import type { Engine } from '../docker.ts';
import type { Records } from '../records.ts';
import type { ServiceRecords } from '../records-services.ts';
import type { Makers } from './attach.ts';
import type { ContainerLookup } from './container-lookup.ts';
import type { EngineCall } from './engine-call.ts';
import type { HostZones } from './host-zones.ts';
import type { IdentityCreateDeps } from './identity-create.ts';
import type { Judge } from '../policy/judge.ts';
import type { Self } from '../self.ts';
import type { OwnCalls } from './own-calls.ts';

export interface AuthorizerDeps extends Omit<IdentityCreateDeps, 'logger' | 'engine' | 'records'> {
	readonly engine: IdentityCreateDeps['engine'] & Pick<Engine, 'inspect' | 'volume' | 'serviceId' | 'removeContainer'>;
	readonly records: IdentityCreateDeps['records'] & Pick<Records, 'identityOfContainer'> & { readonly services: Pick<ServiceRecords, 'add'> };
	/** where people have a say; `call` is the one that is judged */
	readonly policy: Judge;
	readonly lookup: ContainerLookup;
	readonly hostZones: HostZones;
	readonly makers: Makers;
	/** whose control is nobody's business but the policy's: this one, and the one that it stands in for */
	readonly ourPlugins: () => Promise<readonly Self[]>;
	readonly ownCalls: Pick<OwnCalls, 'isOwn' | 'proofOf'>;
	/** does the call carry what only root on the host can know? (permit.ts) */
	readonly isPermitted: (call: EngineCall) => Promise<boolean>;
	/** a call of our own came by, with this nonce @returns whether to let it through */
	readonly onProof: (nonce: string) => boolean;
	/** a container, by whatever it is called, is about to be started */
	readonly onStartAsked: (reference: string) => void;
	/** containers may have gone */
	readonly onContainersRemoved: () => void;
	readonly logger: Pick<Logger, 'info' | 'error'>;
}

/** Which calls; without the flags g and y, so that matching leaves no trace in it. */
export interface Pattern {
	readonly method: RegExp;
	/** anchored, with the flag s where any name fits; matched against the decoded path without its version */
	readonly path: RegExp;
}

export interface Rule extends Pattern {
	/** @param subject first group of `path` @throws BirthmarkError to refuse */
	check(deps: AuthorizerDeps, call: EngineCall, subject: string): Promise<void> | void;
}
