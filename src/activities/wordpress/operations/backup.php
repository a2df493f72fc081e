<?php
/** Operations of the agent: what a backup asks of WordPress. Functions alone; see ../agent.php. */
