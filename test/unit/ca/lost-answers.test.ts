/** A network that loses answers, not requests: whoever asked does not know what was done, and the CA has to stand by it. */

import test from 'ava';
import { startCa, type Answer, type TestCa } from '../../support/ca.ts';
import { Ledger } from '../../soak/ledger.ts';
import { runLoad, type Instance } from '../../soak/load.ts';
import { seededRandom } from '../../soak/random.ts';
import { soakUser } from '../../soak/user.ts';
import { verifyLedger } from '../../soak/verify.ts';

const CLIENTS = 4;
const ANSWERS = 150;
const LOST = 0.25;

test('answers that get lost break nothing of what was answered, and nobody is refused for it', async (t) => {
	const { random, seed } = seededRandom();
	const ca = await startCa(t);
	const userToken = await soakUser(ca, 600);
	const ledger = new Ledger();
	const node = await ca.join('host1');
	let isOver = false;
	let lost = 0;
	const load = runLoad({ ledger, instances: [forgetful(ca, random, () => lost++)], node, userToken, random, isOver: () => isOver }, CLIENTS);
	await ledger.moreAnswers(ANSWERS);
	isOver = true;
	await load;
	await verifyLedger(ledger, ca, ledger.lives);
	t.deepEqual(ledger.faults, [], `seed ${seed}`);
	t.true(lost > 0, 'no answer was lost');
});

/** Does what it is asked, and now and then does not say so. */
function forgetful(ca: TestCa, random: () => number, onLost: () => void): Instance {
	const lose = async (answer: Promise<Answer>): Promise<Answer> => {
		const given = await answer;
		if (random() >= LOST) return given;
		onLost();
		throw new Error('the answer was lost');
	};
	return { ...ca, request: (...args) => lose(ca.request(...args)), admin: (...args) => lose(ca.admin(...args)), sign: (...args) => lose(ca.sign(...args)) };
}
