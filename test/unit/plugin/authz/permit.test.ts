import { chmodSync, linkSync, mkdirSync, renameSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import tmp from 'tmp';
import { isPermitted, type PermitDeps } from '../../../../plugin/authz/permit.ts';

const SECRET = 'a1'.repeat(32);
const DISABLE = { method: 'POST', path: '/plugins/birthmark/disable', headers: { 'X-Birthmark-Permit': SECRET } };

function permit(t: ExecutionContext, text = SECRET): PermitDeps {
	const directory = tmp.dirSync({ unsafeCleanup: true });
	t.teardown(() => directory.removeCallback());
	const path = join(directory.name, 'upgrade.permit');
	writeFileSync(path, text, { mode: 0o600 });
	return { path, now: Date.now, uid: process.getuid!() };
}

test('a call with the secret of the file is permitted', async (t) => {
	t.true(await isPermitted(permit(t), DISABLE));
	t.true(await isPermitted(permit(t, `${SECRET}\n`), DISABLE));
});

for (const [method, path] of [['POST', '/plugins/pull'], ['POST', '/plugins/0123/set'], ['POST', '/plugins/x/enable'], ['POST', '/plugins/x/upgrade'], ['POST', '/plugins/registry.example:5000/team/birthmark:2/disable'], ['DELETE', '/plugins/birthmark-guard'], ['DELETE', '/plugins/registry.example/birthmark'], ['DELETE', '/volumes/birthmark-guard-sentinel']] as const) {
	test(`it permits ${method} ${path}`, async (t) => {
		t.true(await isPermitted(permit(t), { ...DISABLE, method, path }));
	});
}

for (const [method, path] of [['POST', '/containers/create'], ['POST', '/plugins/create'], ['DELETE', '/volumes/data'], ['POST', '/containers/x/exec'], ['POST', '/containers/create/plugins/x/disable'], ['GET', '/plugins/x/disable']] as const) {
	test(`it does not permit ${method} ${path}`, async (t) => {
		t.false(await isPermitted(permit(t), { ...DISABLE, method, path }));
	});
}

for (const given of [undefined, '', 'b2'.repeat(32), SECRET.toUpperCase(), SECRET.slice(2), `${SECRET}00`]) {
	test(`the secret ${given} is another one`, async (t) => {
		t.false(await isPermitted(permit(t), { ...DISABLE, headers: given === undefined ? {} : { 'X-Birthmark-Permit': given } }));
	});
}

test('without a file nothing is permitted', async (t) => {
	const deps = permit(t);
	rmSync(deps.path);
	t.false(await isPermitted(deps, DISABLE));
});

test('a file that others could have read or written is not believed', async (t) => {
	for (const mode of [0o640, 0o604, 0o660, 0o602]) {
		const deps = permit(t);
		chmodSync(deps.path, mode);
		t.false(await isPermitted(deps, DISABLE), mode.toString(8));
	}
});

test('a file of somebody else is not believed', async (t) => {
	const deps = permit(t);
	t.false(await isPermitted({ ...deps, uid: deps.uid + 1 }, DISABLE));
});

test('a link is not followed, and a directory is no file', async (t) => {
	const deps = permit(t);
	const elsewhere = `${deps.path}.elsewhere`;
	renameSync(deps.path, elsewhere);
	symlinkSync(elsewhere, deps.path);
	t.false(await isPermitted(deps, DISABLE));
	rmSync(deps.path);
	mkdirSync(deps.path);
	t.false(await isPermitted(deps, DISABLE));
	rmSync(deps.path, { recursive: true });
	linkSync(elsewhere, deps.path);
	t.true(await isPermitted(deps, DISABLE));
});

test('a forgotten file is good for an hour', async (t) => {
	const deps = permit(t);
	const now = Date.now() / 1000;
	utimesSync(deps.path, now, now - 3000);
	t.true(await isPermitted(deps, DISABLE));
	utimesSync(deps.path, now, now - 3700);
	t.false(await isPermitted(deps, DISABLE));
	utimesSync(deps.path, now, now + 3700);
	t.false(await isPermitted(deps, DISABLE));
});

test('a file with something else in it permits nothing, not even itself', async (t) => {
	for (const text of ['', '\n', 'secret', `${SECRET}${SECRET}`]) {
		t.false(await isPermitted(permit(t, text), { ...DISABLE, headers: { 'X-Birthmark-Permit': text } }));
	}
});
