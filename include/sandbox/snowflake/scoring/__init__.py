"""MODEL(name, version)!METHOD(...): calls of models' methods, and the packages that run them."""
