"use strict";
// Paths are relative, so that the page also works under /api and behind a proxy's prefix.
SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#docs",
  deepLinking: true,
  validatorUrl: null, // the default calls a server on the internet
});
