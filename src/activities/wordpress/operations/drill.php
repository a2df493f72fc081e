<?php
/** Operations of the agent: what a restore drill asks of the restored WordPress. Functions alone; see ../agent.php. */
