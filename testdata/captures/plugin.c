/* A mosquitto plugin for record.py.
 *
 * - Authentication method "echo": the broker sends one AUTH (0x18) with the
 *   data "challenge" and accepts the client when it answers "response".
 * - Nobody may publish or subscribe to topics that start with "denied/".
 * - A message to the topic "kick" disconnects the client whose id is its
 *   payload, so that the broker sends DISCONNECT 0x98.
 */
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <mosquitto.h>
#include <mosquitto_broker.h>
#include <mosquitto_plugin.h>

static int auth_start(int event, void *data, void *user)
{
	struct mosquitto_evt_extended_auth *ed = data;
	(void)event; (void)user;
	if(strcmp(ed->auth_method, "echo")) return MOSQ_ERR_NOT_SUPPORTED;
	ed->data_out = mosquitto_strdup("challenge");
	ed->data_out_len = 9;
	return MOSQ_ERR_AUTH_CONTINUE;
}

static int auth_continue(int event, void *data, void *user)
{
	struct mosquitto_evt_extended_auth *ed = data;
	(void)event; (void)user;
	if(ed->data_in_len != 8 || memcmp(ed->data_in, "response", 8)) return MOSQ_ERR_AUTH;
	return MOSQ_ERR_SUCCESS;
}

static int acl(int event, void *data, void *user)
{
	struct mosquitto_evt_acl_check *ed = data;
	(void)event; (void)user;
	return strncmp(ed->topic, "denied/", 7) ? MOSQ_ERR_SUCCESS : MOSQ_ERR_ACL_DENIED;
}

static int message(int event, void *data, void *user)
{
	struct mosquitto_evt_message *ed = data;
	char id[64];
	(void)event; (void)user;
	if(strcmp(ed->topic, "kick") || ed->payloadlen >= sizeof(id)) return MOSQ_ERR_SUCCESS;
	snprintf(id, sizeof(id), "%.*s", (int)ed->payloadlen, (char *)ed->payload);
	mosquitto_kick_client_by_clientid(id, false);
	return MOSQ_ERR_SUCCESS;
}

int mosquitto_plugin_version(int count, const int *versions)
{
	for(int i = 0; i < count; i++) if(versions[i] == 5) return 5;
	return -1;
}

int mosquitto_plugin_init(mosquitto_plugin_id_t *id, void **user, struct mosquitto_opt *opts, int count)
{
	(void)user; (void)opts; (void)count;
	mosquitto_callback_register(id, MOSQ_EVT_EXT_AUTH_START, auth_start, NULL, NULL);
	mosquitto_callback_register(id, MOSQ_EVT_EXT_AUTH_CONTINUE, auth_continue, NULL, NULL);
	mosquitto_callback_register(id, MOSQ_EVT_ACL_CHECK, acl, NULL, NULL);
	mosquitto_callback_register(id, MOSQ_EVT_MESSAGE, message, NULL, NULL);
	return MOSQ_ERR_SUCCESS;
}

int mosquitto_plugin_cleanup(void *user, struct mosquitto_opt *opts, int count)
{
	(void)user; (void)opts; (void)count;
	return MOSQ_ERR_SUCCESS;
}
