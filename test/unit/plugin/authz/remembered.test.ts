import test from 'ava';
import { createRemembered } from '../../../../plugin/authz/remembered.ts';

test('a thousand are remembered, the last ones', (t) => {
	const images = createRemembered();
	for (let index = 0; index <= 1000; index++) images.remember(`app:${index}`);
	t.false(images.has('app:0'));
	t.true(images.has('app:1'));
	t.true(images.has('app:1000'));
});
