/** The CA as the plugin sees it: remembers what it was asked, fails when told to. */

import { BirthmarkError } from '#common/protocol/errors.ts';
import type { Authorization, AuthorizeRequest, MintedToken, MintRequest, RevokeRequest } from '#common/protocol/messages.ts';

export class FakePluginCa {
	readonly authorized: AuthorizeRequest[] = [];
	readonly minted: string[] = [];
	readonly revoked: RevokeRequest[] = [];
	readonly ended: string[] = [];
	/** thrown by every call while set */
	failure: BirthmarkError | undefined;
	/** of its last answer */
	skewSeconds: number | undefined = 0;

	async authorize(request: AuthorizeRequest): Promise<Authorization> {
		this.#mayFail();
		this.authorized.push(request);
		const { commonName, organizationalUnit, dnsNames, lifetimeSeconds = 60 } = request;
		const names = { commonName, organizationalUnit, dnsNames, lifetimeSeconds, organization: 'test', spiffeId: `spiffe://test/test/${organizationalUnit}/${commonName}` };
		return request.dryRun ? names : { ...names, id: `authorization-${this.authorized.length}` };
	}

	async mintToken(_: string, { startId }: MintRequest): Promise<MintedToken> {
		this.#mayFail();
		this.minted.push(startId);
		return { token: `token of ${startId}`, expiresAt: '2030-01-01T00:00:00Z' };
	}

	clockSkewSeconds(): number | undefined {
		return this.skewSeconds;
	}

	async revoke(request: RevokeRequest): Promise<void> {
		this.#mayFail();
		this.revoked.push(request);
	}

	async endAuthorization(id: string): Promise<void> {
		this.#mayFail();
		this.ended.push(id);
	}

	#mayFail(): void {
		if (this.failure) throw this.failure;
	}
}
