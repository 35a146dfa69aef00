import { readFileSync } from 'node:fs';
import test, { type ExecutionContext } from 'ava';
import tmp from 'tmp';
import { addressPools } from '../../../scripts/engine-network.ts';
import { enginePaths, type EnginePaths } from '../../../scripts/paths.ts';
import { writeDaemonJson } from '../../../scripts/private-engine.ts';

function paths(t: ExecutionContext): EnginePaths {
	const folder = tmp.dirSync({ unsafeCleanup: true });
	t.teardown(() => folder.removeCallback());
	return enginePaths(folder.name);
}

const read = ({ daemonJson }: EnginePaths): Record<string, unknown> => JSON.parse(readFileSync(daemonJson, 'utf8')) as Record<string, unknown>;

test('a private engine has everything of its own, and leaves firewall and forwarding alone', (t) => {
	const engine = paths(t);
	writeDaemonJson(engine, []);
	t.deepEqual(read(engine), {
		hosts: [engine.host], 'data-root': engine.data, 'exec-root': `${engine.shortRun}/exec`, pidfile: engine.pidFile, bridge: engine.bridge,
		iptables: false, ip6tables: false, 'ip-forward': false, 'ip-masq': false, 'default-address-pools': addressPools(engine), 'log-opts': { 'max-size': '10m' }, 'authorization-plugins': [],
	});
});

test('further settings outlive changes of the chain, and come before its own', (t) => {
	const engine = paths(t);
	const hosts = [engine.host, 'tcp://127.0.0.1:2376'];
	writeDaemonJson(engine, [], { 'live-restore': true, hosts });
	writeDaemonJson(engine, ['birthmark']);
	t.like(read(engine), { 'live-restore': true, hosts, bridge: engine.bridge, 'authorization-plugins': ['birthmark'] });
	writeDaemonJson(engine, [], { 'live-restore': false });
	t.like(read(engine), { 'live-restore': false, hosts, 'authorization-plugins': [] });
});
