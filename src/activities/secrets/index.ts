export { Secret, concealed } from './secret.ts';
export { createSecretResolver } from './resolver.ts';
export type { SecretResolver, SecretResolverDeps } from './resolver.ts';
export { createVaultClient, vaultOptionsFromEnvironment } from './vault.ts';
export type { VaultClient, VaultOptions } from './vault.ts';
