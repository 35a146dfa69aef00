/** The table of routes: what is not in it does not exist. */

import type { Authorities } from '../issuance/authorities.ts';
import type { Rotation } from '../issuance/rotate.ts';
import type { Sealer } from '../audit/sealer.ts';
import type { Metrics } from '../metrics/metrics.ts';
import { createAuthorize, type AuthorizeDeps } from '../registration/authorize.ts';
import { createAuthorizeForm } from '../registration/authorize-form.ts';
import type { CfsslClients } from '../registration/cfssl-clients.ts';
import { createCfsslSign, type CfsslSignDeps } from '../registration/cfssl-sign.ts';
import { createEnrolUser, type EnrolUserDeps } from '../registration/enrol-user.ts';
import { withFreshTrust } from '../registration/fresh-trust.ts';
import { createJoin, type JoinDeps } from '../registration/join.ts';
import { createMint, type MintDeps } from '../registration/mint.ts';
import { createRedeem, type RedeemDeps } from '../registration/redeem.ts';
import { createRenew, type RenewDeps } from '../registration/renew.ts';
import type { RenewalDemands } from '../registration/renewal-demands.ts';
import { createUsers } from '../registration/users.ts';
import type { RevocationLists } from '../revocation/lists.ts';
import { createRevoke } from '../revocation/revoke.ts';
import type { Store } from '../store/store.ts';
import { endAuthorizationRoute, mintRoute } from './authorizations.ts';
import { auditRoute } from './audit.ts';
import { authorizeRoute } from './authorize.ts';
import { bundleRoute } from './bundle.ts';
import { cfsslInfoRoute, cfsslSignRoute } from './cfssl.ts';
import { crlRoutes } from './crl.ts';
import { healthRoutes } from './health.ts';
import { identityRoutes } from './identities.ts';
import { issuerRoutes } from './issuers.ts';
import { joinRoute, type JoinRouteDeps } from './join.ts';
import { metricsRoute } from './metrics.ts';
import { nodeRoutes } from './nodes.ts';
import { ocspRoutes, type OcspRouteDeps } from './ocsp.ts';
import { openApiRoute } from './openapi.ts';
import { reloadsRoute } from './reloads.ts';
import { renewalDemandRoutes } from './renewal-demands.ts';
import { renewRoute } from './renew.ts';
import { revokeRoutes } from './revoke.ts';
import { rootsRoute } from './roots.ts';
import { rotationRoutes } from './rotation.ts';
import type { Route } from './route.ts';
import { createSign, signRoutes } from './sign.ts';
import { symbiosRoutes } from './symbios.ts';
import { userRoutes } from './users.ts';
import { whoamiRoute } from './whoami.ts';

export type RoutesDeps = AuthorizeDeps & JoinDeps & MintDeps & RedeemDeps & EnrolUserDeps & CfsslSignDeps & RenewDeps & OcspRouteDeps & Pick<JoinRouteDeps, 'logger'> & {
	readonly store: Store;
	readonly lists: RevocationLists;
	readonly authorities: Authorities;
	readonly sealer: Pick<Sealer, 'seal'>;
	readonly metrics: Pick<Metrics, 'text' | 'contentType' | 'countReload'>;
	readonly cfsslClients: CfsslClients;
	readonly rotation: Omit<Rotation, 'advance'>;
	readonly renewalDemands: Omit<RenewalDemands, 'close'>;
	readonly limits: { readonly requestSeconds: number };
};

/** Every route of the API, wired to what it needs; docs/api.md describes them. Touches none of its dependencies. */
export function createRoutes(deps: RoutesDeps): readonly Route[] {
	const { logger } = deps;
	const mint = createMint(deps);
	const authorize = createAuthorize(deps);
	const revoke = createRevoke(deps);
	const fresh = <Args extends unknown[], Result>(work: (...args: Args) => Promise<Result>) => withFreshTrust(deps.authorities, work);
	const sign = createSign({ ...deps, redeem: fresh(createRedeem(deps)), enrolUser: fresh(createEnrolUser(deps)) });
	const routes = [
		...healthRoutes(deps),
		rootsRoute(deps),
		bundleRoute(deps),
		...crlRoutes(deps),
		...ocspRoutes(deps),
		...issuerRoutes(deps),
		joinRoute({ ...deps, join: fresh(createJoin(deps)) }),
		authorizeRoute({ authorize, authorizeForm: createAuthorizeForm(authorize, deps), logger }),
		mintRoute({ mint, logger }),
		endAuthorizationRoute({ revoke, logger }),
		...signRoutes(sign),
		...symbiosRoutes({ ...deps, sign }),
		cfsslSignRoute({ ...deps, sign: fresh(createCfsslSign(deps)) }),
		cfsslInfoRoute(deps),
		renewRoute({ ...deps, renew: fresh(createRenew(deps)) }),
		reloadsRoute(deps),
		...renewalDemandRoutes(deps),
		...revokeRoutes({ ...deps, revoke }),
		...identityRoutes(deps),
		...nodeRoutes({ ...deps, mint, revoke }),
		...userRoutes({ users: createUsers(deps), revoke, logger }),
		...rotationRoutes(deps),
		auditRoute(deps),
		metricsRoute(deps),
		whoamiRoute(deps),
	];
	return [...routes, openApiRoute(routes)];
}
