<?php
/** Operations of the agent: what a rollback asks of WordPress. Functions alone; see ../agent.php. */
