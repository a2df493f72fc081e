// The package ships its TypeScript sources, which do not compile under this project's settings; the declarations beside
// this file describe the calls that are used. Everything else of the package stays out of reach.
export {
  createDigitalOceanClient,
  DigitalOceanApiKeyAuthenticationProvider,
} from '@digitalocean/dots';
