/**
 * The one door to @peculiar/x509. Its dependency injection reads decorators' metadata while it is
 * being loaded, so `reflect-metadata` has to come first; importing the library elsewhere would
 * make that order a matter of luck.
 */

import 'reflect-metadata';

export { Pkcs10CertificateRequest } from '@peculiar/x509';
