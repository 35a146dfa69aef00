import test, { type ExecutionContext } from 'ava';
import { startCreatingEngine, type Create, type CreatingEngine } from '../../fakes/creating-engine.ts';

process.env['TESTCONTAINERS_RYUK_DISABLED'] = 'true';
process.env['TESTCONTAINERS_HOST_OVERRIDE'] = 'localhost'; // no look at the machine's networks

/** testcontainers looks at its environment once, so there is one engine for all tests, and one test at a time. */
let engine: CreatingEngine;
let closeEngine: () => void;
test.before(async () => {
	engine = await startCreatingEngine({ teardown: (close) => (closeEngine = close) });
	process.env['DOCKER_HOST'] = engine.host;
});
test.after.always(() => closeEngine?.());
test.beforeEach(() => {
	engine.created.length = 0;
	engine.info = {};
});

const OURS = { Runtimes: { runc: { path: 'runc' }, ours: { path: '/opt/birthmark/birthmark-runtime' } }, DefaultRuntime: 'runc' };

/** After the environment is set. */
const load = () => import('../../../hook/testcontainers.ts');

async function create(t: ExecutionContext, container: { start(): Promise<unknown> }): Promise<Create> {
	await t.throwsAsync(container.start(), { message: /creates nothing/ });
	return engine.created.at(-1)!;
}

test.serial('a testcontainers container asks for its identity and keeps what else was set', async (t) => {
	const { IdentityContainer } = await load();
	const container = new IdentityContainer('my/api', { commonName: 'api01', organizationalUnit: 'web-api', dnsNames: ['api'] }).withCommand(['check']).withEnvironment({ A: '1' }).withExposedPorts(8443);
	const body = await create(t, container);
	t.deepEqual(body.Entrypoint, ['/run/birthmark/bin/birthmark-agent', 'exec', '--', '/entry']);
	t.deepEqual(body.Cmd, ['check']);
	t.like(body.Labels, { 'birthmark.cn': 'api01', 'birthmark.ou': 'web-api', 'birthmark.dns': 'api', 'org.testcontainers': 'true' });
	t.deepEqual(body.HostConfig.Mounts?.map((mount) => [mount.Target, mount.VolumeOptions.DriverConfig.Name]), [['/run/birthmark', 'birthmark']]);
	t.true(body.Env.includes('A=1'));
	t.true('8443/tcp' in body.HostConfig.PortBindings);

	// testcontainers allows to start from one description again, and to change it in between.
	const again = await create(t, container.withCommand(['serve']));
	t.deepEqual(again.Entrypoint, body.Entrypoint);
	t.deepEqual(again.Cmd, ['serve']);
	t.deepEqual(again.HostConfig.Mounts, body.HostConfig.Mounts);
});

test.serial('where the engine has birthmark-runtime, labels are all that a container gets', async (t) => {
	const { withIdentity } = await load();
	const { GenericContainer } = await import('testcontainers');
	engine.info = OURS;
	const body = await create(t, withIdentity(new GenericContainer('my/api').withCommand(['check']), { cn: 'api01', dns: ['api'] }));
	t.is(body.HostConfig.Runtime, 'ours');
	t.is(body.HostConfig.Mounts, undefined);
	t.is(body.Entrypoint, undefined);
	t.deepEqual(body.Cmd, ['check']);
	t.like(body.Labels, { 'birthmark.cn': 'api01', 'birthmark.dns': 'api' });
	t.false('birthmark.ou' in body.Labels);
});

test.serial('a description of any class keeps its class and what that does before the start', async (t) => {
	const { withIdentity } = await load();
	const { GenericContainer } = await import('testcontainers');
	class Database extends GenericContainer {
		protected override async beforeContainerCreated(): Promise<void> {
			this.withCommand(['postgres', '-c', 'ssl=on']);
		}
	}
	const database = new Database('my/db');
	t.is(withIdentity(database, { cn: 'db01', ou: 'db' }, { driver: 'other' }), database);
	const body = await create(t, database);
	t.deepEqual(body.Cmd, ['postgres', '-c', 'ssl=on']);
	t.deepEqual(body.Entrypoint, ['/run/birthmark/bin/birthmark-agent', 'exec', '--', '/entry']);
	t.is(body.HostConfig.Mounts?.[0]?.VolumeOptions.DriverConfig.Name, 'other');
});
